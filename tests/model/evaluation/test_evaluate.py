"""What is said of a model beside its scores."""

import pytest
from builders import context_for

from model.baselines.lists import Popularity
from model.baselines.registry import TASKS
from model.baselines.simple import GlobalMean
from model.card import Epoch
from model.data.dataset import MovieLens
from model.data.sequences import Sequences

EPOCHS = [Epoch(number=number, train_loss=1.0, seconds=1000.0) for number in (1, 2)]


@pytest.mark.parametrize("task", TASKS)
def test_the_time_of_a_resumed_training_has_the_epochs_before_the_interruption(
    task: str, sample: MovieLens, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_for(sample)
    resumed = GlobalMean() if task == "rating" else Popularity(context.vocabulary_size)
    monkeypatch.setattr(resumed, "epochs", EPOCHS)
    split = TASKS[task].split(TASKS[task].default_protocol, Sequences.of(sample))

    evaluation = TASKS[task].evaluate(resumed, split, context).evaluation

    assert 2000 < evaluation.seconds < 3000
    assert TASKS[task].evaluate_trained(resumed, split, context, 5000).evaluation.seconds > 5000
