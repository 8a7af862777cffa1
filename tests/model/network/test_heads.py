import math

import pytest
import torch

from model.network.heads import CategoricalHead, NormalHead
from model.network.scale import level_indices
from model.rating_scale import HALF_STARS, WHOLE_STARS


def test_outputs_of_zero_give_a_normal_distribution_around_the_prior_on_the_levels() -> None:
    head = CategoricalHead()
    torch.nn.init.zeros_(head.log_precision)  # precision 1

    stars = head.stars(torch.zeros(1, 5), torch.tensor([4.0]))

    weights = [math.exp(-((level - 4) ** 2) / 2) for level in range(1, 6)]
    expected = [weight / sum(weights) for weight in weights]
    assert stars.probabilities is not None
    assert stars.probabilities[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert stars.mean.item() == pytest.approx(sum(p * level for level, p in enumerate(expected, 1)), abs=1e-6)


def test_the_network_can_move_all_probability_to_one_star() -> None:
    outputs = torch.tensor([[0.0, 0.0, 50.0, 0.0, 0.0]])

    stars = CategoricalHead().stars(outputs, torch.tensor([4.8]))

    assert stars.mean.item() == pytest.approx(3.0, abs=1e-4)


def test_the_categorical_loss_is_minus_the_logarithm_of_the_probability_of_the_stars() -> None:
    head, outputs, base = CategoricalHead(), torch.randn(3, 5), torch.tensor([1.5, 3.0, 4.2])
    probabilities = head.stars(outputs, base).probabilities
    assert probabilities is not None

    losses = head.losses(outputs, base, torch.tensor([5.0, 3.0, 1.0]))

    assert losses.tolist() == pytest.approx((-probabilities[[0, 1, 2], [4, 2, 0]].log()).tolist(), abs=1e-6)


def test_the_normal_head_adds_its_output_to_the_prior_and_its_loss_is_the_squared_error() -> None:
    head = NormalHead()
    outputs, base = torch.tensor([[0.5], [-1.0]]), torch.tensor([3.0, 4.0])

    assert head.stars(outputs, base).mean.tolist() == [3.5, 3.0]
    assert head.stars(outputs, base).probabilities is None
    assert head.losses(outputs, base, torch.tensor([4.5, 3.0])).tolist() == [1.0, 0.0]


def test_stars_between_two_levels_belong_to_the_nearest_one() -> None:
    stars = torch.tensor([1.0, 2.4, 2.5, 2.6, 5.0, 7.0])

    assert level_indices(stars, WHOLE_STARS).tolist() == [0, 1, 1, 2, 4, 4]
    assert level_indices(stars, HALF_STARS).tolist() == [1, 4, 4, 4, 9, 9]


def test_a_head_for_half_stars_has_ten_levels() -> None:
    stars = CategoricalHead(HALF_STARS).stars(torch.zeros(1, 10).index_fill(1, torch.tensor([0]), 50.0), torch.ones(1))

    assert stars.mean.item() == pytest.approx(0.5, abs=1e-4)
