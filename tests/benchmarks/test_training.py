"""Trials of other settings for learning lists."""

import pytest
import typer

from benchmarks.training import changed
from model.network.config import RankingTrainingConfig
from model.training.presets import SEQREC


def test_every_setting_of_the_network_and_its_training_can_be_tried_also_one_that_is_off() -> None:
    assert SEQREC.network.ranking is not None
    off = RankingTrainingConfig(averaging=None, window=None)

    tried, training = changed(SEQREC, off, SEQREC.network.ranking, {"averaging": 3.0, "window": 20, "members": 3})

    assert tried.network.ranking is not None
    assert tried.network.ranking.members == 3
    assert (training.averaging, training.window) == (3.0, 20)


def test_a_setting_that_there_is_not_is_named_beside_those_that_there_are() -> None:
    assert SEQREC.network.ranking is not None
    with pytest.raises(typer.BadParameter, match=r"no setting width. Choose among epochs, .*averaging.*hidden"):
        changed(SEQREC, RankingTrainingConfig(), SEQREC.network.ranking, {"width": 3})
