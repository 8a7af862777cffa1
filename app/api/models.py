"""Models, their cards, trainings and comparisons as bodies."""

from datetime import UTC, datetime

from app.services.models.collection import Collection, StoredModel
from app.storage.models import Champion, Comparison, Round
from app.storage.training_state import TrainingState
from model.card import Card, DataSource, Epoch, Evaluation, Measurement, RankingEvaluation, RankingScore, Score
from seqrec.schemas import model as bodies


def model_card(card: Card) -> bodies.Card:
    lists = card.held_out_lists
    ranking_training = card.ranking_training
    return bodies.Card(
        model=card.model,
        created_at=card.created_at,
        data=_data_source(card.data),
        held_out=None if card.held_out is None else _rating_evaluation(card.held_out),
        held_out_lists=None if lists is None else _ranking_evaluation(lists),
        epochs=card.epochs,
        training=card.training.model_dump(mode="json"),
        ranking_training=None if ranking_training is None else ranking_training.model_dump(mode="json"),
        device=card.device,
        versions=dict(card.versions),
        preliminary=card.preliminary,
    )


def training(state: TrainingState) -> bodies.Training:
    return bodies.Training(
        model=state.model,
        state=state.state,
        stage=state.stage,
        share=state.share,
        started_at=state.started_at,
        ready_at=state.ready_at,
    )


def all_models(collection: Collection, served: str) -> bodies.Models:
    """``served`` is the version that this process serves, whatever the database says of others."""
    return bodies.Models(
        served=served,
        pinned=collection.pinned,
        comparison=None if collection.comparison is None else comparison(collection.comparison),
        models=[_stored(stored, served, collection.comparison) for stored in collection.stored],
        history=[_champion(champion) for champion in collection.champions],
        retrainings=[_retraining(round_) for round_ in collection.rounds],
        comparisons=[comparison(compared) for compared in collection.comparisons],
    )


def comparison(compared: Comparison) -> bodies.Comparison:
    champion, challenger = (bodies.ComparedModel(version=one, share=share) for one, share in compared.shares.items())
    return bodies.Comparison(
        champion=champion,
        challenger=challenger,
        begun_at=_time(compared.begun_at),
        ended_at=None if compared.ended_at is None else _time(compared.ended_at),
    )


def _stored(stored: StoredModel, served: str, compared: Comparison | None) -> bodies.StoredModel:
    shares = {served: 1.0} if compared is None else compared.shares
    state = {
        "version": stored.version,
        "served": stored.version == served,
        "share": shares.get(stored.version),
        "pinned": stored.pinned,
        "aside": stored.aside,
    }
    if (card := stored.card) is None:
        return bodies.StoredModel(**state, damaged=True)
    stars, lists = card.held_out, card.held_out_lists
    return bodies.StoredModel(
        **state,
        model=card.model,
        created_at=card.created_at,
        preliminary=card.preliminary,
        data=card.data.name,
        ratings=card.data.ratings,
        movies=card.data.movies,
        protocol=card.protocol,
        rmse=None if stars is None else stars.rmse,
        ndcg_at_10=None if lists is None else lists.ndcg_at_10,
    )


def _champion(champion: Champion) -> bodies.Champion:
    until = champion.served_until
    times = {"served_from": _time(champion.served_from), "served_until": None if until is None else _time(until)}
    return bodies.Champion(**champion._asdict() | times)


def _retraining(round_: Round) -> bodies.Retraining:
    return bodies.Retraining(
        started_at=_time(round_.started_at),
        ended_at=None if round_.ended_at is None else _time(round_.ended_at),
        ratings=round_.ratings,
        outcome=round_.outcome,
        version=round_.version,
        reason=round_.reason,
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _data_source(source: DataSource) -> bodies.DataSource:
    return bodies.DataSource(
        name=source.name,
        generated=source.generated,
        checksum=source.checksum,
        users=source.users,
        movies=source.movies,
        ratings=source.ratings,
        filled_with=list(source.filled_with),
        scale=None if source.scale is None else bodies.OriginalScale.model_validate(source.scale.model_dump()),
    )


def _rating_evaluation(evaluation: Evaluation) -> bodies.RatingEvaluation:
    return bodies.RatingEvaluation(
        **_measurement(evaluation),
        **dict(_rating_score(evaluation)),
        n_test=evaluation.n_test,
        validation=_rating_score(evaluation.validation),
        baselines={name: _rating_score(score) for name, score in evaluation.baselines.items()},
    )


def _ranking_evaluation(evaluation: RankingEvaluation) -> bodies.RankingEvaluation:
    return bodies.RankingEvaluation(
        **_measurement(evaluation),
        **dict(_ranking_score(evaluation)),
        n_users=evaluation.n_users,
        validation=_ranking_score(evaluation.validation),
        baselines={name: _ranking_score(score) for name, score in evaluation.baselines.items()},
    )


def _measurement(measurement: Measurement) -> dict[str, object]:
    """The fields of an `Evaluation` that both kinds have."""
    return {
        "model": measurement.model,
        "protocol": measurement.protocol,
        "split_seeds": list(measurement.split_seeds),
        "inductive": measurement.inductive,
        "learning_curve": [_epoch(epoch) for epoch in measurement.learning_curve],
        "seconds": measurement.seconds,
    }


def _epoch(epoch: Epoch) -> bodies.Epoch:
    return bodies.Epoch(
        number=epoch.number,
        train_loss=epoch.train_loss,
        validation_rmse=epoch.validation_rmse,
        validation_ndcg=epoch.validation_ndcg,
        seconds=epoch.seconds,
    )


def _rating_score(score: Score) -> bodies.RatingScore:
    return bodies.RatingScore(
        rmse=score.rmse,
        accuracy=score.accuracy,
        mode_accuracy=score.mode_accuracy,
        calibration_error=score.calibration_error,
    )


def _ranking_score(score: RankingScore) -> bodies.RankingScore:
    return bodies.RankingScore(
        hr_at_10=score.hr_at_10,
        ndcg_at_10=score.ndcg_at_10,
        mrr=score.mrr,
        coverage_at_10=score.coverage_at_10,
        popular_share_at_10=score.popular_share_at_10,
    )
