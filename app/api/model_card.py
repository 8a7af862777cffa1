"""The model's card as the API answers it: the one place that knows both, so that names may change on either side."""

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
        held_out=_rating_evaluation(own.held_out),
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
