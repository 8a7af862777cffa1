"""Evaluates models: fits each once, then scores it on validation and test beside the baselines."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from model.card import Evaluation, Measurement, RankingEvaluation, RankingScore, Score
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.interfaces import Model, Ranker, RatingModel
from model.evaluation.rating_metrics import Predicted
from model.evaluation.scoring import Ranking, rank, score_predictions, score_ranking

ModelT = TypeVar("ModelT", bound=Model)
AnswersT = TypeVar("AnswersT")
EvaluationT = TypeVar("EvaluationT", bound=Measurement)


class Evaluated(NamedTuple, Generic[AnswersT, EvaluationT]):
    """What is reported of a model, and its answers for the test examples."""

    evaluation: EvaluationT
    answers: AnswersT


class Evaluator(ABC, Generic[ModelT, AnswersT, EvaluationT]):
    """How the models of one task answer and are scored."""

    record: type[EvaluationT]

    @abstractmethod
    def answer(self, model: ModelT, examples: Examples) -> AnswersT:
        """A trained model's answers for the examples."""

    @abstractmethod
    def score(self, model: ModelT, answers: AnswersT, examples: Examples, train: Examples) -> Score | RankingScore:
        """How good the answers are; some metrics compare them with the training examples."""

    @abstractmethod
    def size(self, test: Examples) -> dict[str, int]:
        """The field of the evaluation that says how many answers its test score is the mean of."""

    def evaluate(
        self, model: ModelT, split: Split, baselines: Iterable[ModelT] = ()
    ) -> Evaluated[AnswersT, EvaluationT]:
        """Fit the model to the split and score it once on test; ``baselines`` are fitted and scored likewise."""
        started = time.perf_counter()
        model.fit(split)
        return self.evaluate_trained(model, split, baselines, training_seconds=time.perf_counter() - started)

    def evaluate_trained(
        self, model: ModelT, split: Split, baselines: Iterable[ModelT] = (), training_seconds: float = 0.0
    ) -> Evaluated[AnswersT, EvaluationT]:
        """Score a model that was fitted to the split in so many seconds, or in those of its epochs.

        These are more where the training was resumed: they count what came before the interruption too.
        """
        training_seconds = max(training_seconds, sum(epoch.seconds for epoch in model.epochs))
        started = time.perf_counter()
        answers = self.answer(model, split.test)
        test = self.score(model, answers, split.test, split.train)
        validation = self._answer_and_score(model, split.validation, split.train)
        seconds = training_seconds + time.perf_counter() - started
        fields = {
            **test.model_dump(),
            **self.size(split.test),
            "model": model.name,
            "protocol": split.name,
            "split_seeds": split.seeds,
            "inductive": split.inductive and model.inductive,
            "validation": validation,
            "baselines": {baseline.name: self._fit_and_score(baseline, split) for baseline in baselines},
            "learning_curve": model.epochs,
            "seconds": seconds,
        }
        return Evaluated(self.record.model_validate(fields), answers)

    def _fit_and_score(self, model: ModelT, split: Split) -> Score | RankingScore:
        model.fit(split)
        return self._answer_and_score(model, split.test, split.train)

    def _answer_and_score(self, model: ModelT, examples: Examples, train: Examples) -> Score | RankingScore:
        return self.score(model, self.answer(model, examples), examples, train)


class RatingEvaluator(Evaluator[RatingModel, Predicted, Evaluation]):
    """Scores predicted stars."""

    record = Evaluation

    def answer(self, model: RatingModel, examples: Examples) -> Predicted:
        return model.predict(examples)

    def score(self, model: RatingModel, answers: Predicted, examples: Examples, train: Examples) -> Score:  # noqa: ARG002
        return score_predictions(answers, examples)

    def size(self, test: Examples) -> dict[str, int]:
        return {"n_test": len(test.targets)}


class RankingEvaluator(Evaluator[Ranker, Ranking, RankingEvaluation]):
    """Scores lists of the whole catalogue."""

    record = RankingEvaluation

    def answer(self, model: Ranker, examples: Examples) -> Ranking:
        return rank(model.scores, examples)

    def score(self, model: Ranker, answers: Ranking, examples: Examples, train: Examples) -> RankingScore:  # noqa: ARG002
        return score_ranking(answers, np.bincount(train.sequences.movies, minlength=model.vocabulary_size))

    def size(self, test: Examples) -> dict[str, int]:
        return {"n_users": int((test.target_counts > 0).sum())}
