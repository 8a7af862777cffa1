"""The model's card as the API answers it: the one place that knows both, so that names may change on either side."""

from datetime import UTC, datetime

from app.services.models.collection import Collection, StoredModel
from app.storage.models import Champion, Comparison, Round
from app.storage.training_state import TrainingState
from model import card
from seqrec.schemas import model


def model_card(own: card.Card) -> model.Card:
    lists = own.held_out_lists
    ranking_training = own.ranking_training
    return model.Card(
        model=own.model,
        created_at=own.created_at,
        data=_data_source(own.data),
        held_out=None if own.held_out is None else _rating_evaluation(own.held_out),
        held_out_lists=None if lists is None else _ranking_evaluation(lists),
        epochs=own.epochs,
        training=own.training.model_dump(mode="json"),
        ranking_training=None if ranking_training is None else ranking_training.model_dump(mode="json"),
        device=own.device,
        versions=dict(own.versions),
        preliminary=own.preliminary,
    )


def training(own: TrainingState) -> model.Training:
    return model.Training(
        model=own.model,
        state=own.state,
        stage=own.stage,
        share=own.share,
        started_at=own.started_at,
        ready_at=own.ready_at,
    )


def models(own: Collection, served: str) -> model.Models:
    """``served`` is the version that this process serves, whatever the database says of others."""
    return model.Models(
        served=served,
        pinned=own.pinned,
        comparison=None if own.comparison is None else comparison(own.comparison),
        models=[_stored(stored, served, own.comparison) for stored in own.stored],
        history=[_champion(champion) for champion in own.champions],
        retrainings=[_retraining(round_) for round_ in own.rounds],
        comparisons=[comparison(compared) for compared in own.comparisons],
    )


def comparison(own: Comparison) -> model.Comparison:
    champion, challenger = (model.ComparedModel(version=one, share=share) for one, share in own.shares.items())
    return model.Comparison(
        champion=champion,
        challenger=challenger,
        begun_at=_time(own.begun_at),
        ended_at=None if own.ended_at is None else _time(own.ended_at),
    )


def _stored(own: StoredModel, served: str, compared: Comparison | None) -> model.StoredModel:
    shares = {served: 1.0} if compared is None else compared.shares
    state = {
        "version": own.version,
        "served": own.version == served,
        "share": shares.get(own.version),
        "pinned": own.pinned,
        "aside": own.aside,
    }
    if (card := own.card) is None:
        return model.StoredModel(**state, damaged=True)
    stars, lists = card.held_out, card.held_out_lists
    return model.StoredModel(
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


def _champion(own: Champion) -> model.Champion:
    until = own.served_until
    times = {"served_from": _time(own.served_from), "served_until": None if until is None else _time(until)}
    return model.Champion(**own._asdict() | times)


def _retraining(own: Round) -> model.Retraining:
    return model.Retraining(
        started_at=_time(own.started_at),
        ended_at=None if own.ended_at is None else _time(own.ended_at),
        ratings=own.ratings,
        outcome=own.outcome,
        version=own.version,
        reason=own.reason,
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _data_source(own: card.DataSource) -> model.DataSource:
    return model.DataSource(
        name=own.name,
        generated=own.generated,
        checksum=own.checksum,
        users=own.users,
        movies=own.movies,
        ratings=own.ratings,
        filled_with=list(own.filled_with),
        scale=None if own.scale is None else model.OriginalScale.model_validate(own.scale.model_dump()),
    )


def _rating_evaluation(own: card.Evaluation) -> model.RatingEvaluation:
    return model.RatingEvaluation(
        **_measurement(own),
        **dict(_rating_score(own)),
        n_test=own.n_test,
        validation=_rating_score(own.validation),
        baselines={name: _rating_score(score) for name, score in own.baselines.items()},
    )


def _ranking_evaluation(own: card.RankingEvaluation) -> model.RankingEvaluation:
    return model.RankingEvaluation(
        **_measurement(own),
        **dict(_ranking_score(own)),
        n_users=own.n_users,
        validation=_ranking_score(own.validation),
        baselines={name: _ranking_score(score) for name, score in own.baselines.items()},
    )


def _measurement(own: card.Measurement) -> dict[str, object]:
    """The fields of an `Evaluation` that both kinds have."""
    return {
        "model": own.model,
        "protocol": own.protocol,
        "split_seeds": list(own.split_seeds),
        "inductive": own.inductive,
        "learning_curve": [_epoch(epoch) for epoch in own.learning_curve],
        "seconds": own.seconds,
    }


def _epoch(own: card.Epoch) -> model.Epoch:
    return model.Epoch(
        number=own.number,
        train_loss=own.train_loss,
        validation_rmse=own.validation_rmse,
        validation_ndcg=own.validation_ndcg,
        seconds=own.seconds,
    )


def _rating_score(own: card.Score) -> model.RatingScore:
    return model.RatingScore(
        rmse=own.rmse,
        accuracy=own.accuracy,
        mode_accuracy=own.mode_accuracy,
        calibration_error=own.calibration_error,
    )


def _ranking_score(own: card.RankingScore) -> model.RankingScore:
    return model.RankingScore(
        hr_at_10=own.hr_at_10,
        ndcg_at_10=own.ndcg_at_10,
        mrr=own.mrr,
        coverage_at_10=own.coverage_at_10,
        popular_share_at_10=own.popular_share_at_10,
    )
