"""The loss over the catalogue, and over a sample of it."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from model.training.ranking_task import NEVER
from model.training.softmax import Candidates, Sampler, next_movie_loss


class Problem(NamedTuple):
    """Two users: one with two queries, at steps 1 and 2, and one with a query at step 7."""

    queries: Tensor
    table: Tensor
    bias: Tensor
    targets: Tensor
    rated_at: Tensor
    steps: Tensor
    counts: list[int]

    def loss(self, candidates: Candidates) -> Tensor:
        return next_movie_loss(*self, candidates)

    def expected(self) -> Tensor:
        logits = self.queries @ self.table.T + self.bias
        left_out = torch.tensor(
            [
                [True, False, False, True, False, False],  # the unknown movie, and 3; 1 is rated in this very step
                [True, True, False, True, False, False],
                [True, False, False, False, True, False],
            ]
        )
        return nn.functional.cross_entropy(logits.masked_fill(left_out, -torch.inf), self.targets)

    @property
    def learned(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.queries, self.table, self.bias


def problem() -> Problem:
    torch.manual_seed(0)
    queries, table, bias = (torch.randn(shape, requires_grad=True) for shape in ((3, 4), (6, 4), (6,)))
    rated_at = torch.full((2, 6), NEVER, dtype=torch.int16)
    for (user, movie), step in {(0, 3): 0, (0, 1): 1, (0, 2): 2, (1, 4): -1, (1, 5): 7}.items():
        rated_at[user, movie] = step
    return Problem(
        queries, table, bias, torch.tensor([1, 2, 5]), rated_at, torch.tensor([1, 2, 7]).short(), counts=[2, 1]
    )


def everything() -> Candidates:
    return Sampler(torch.ones(6), size=None).draw()


def test_the_loss_and_its_gradients_are_those_of_cross_entropy_over_what_was_not_rated() -> None:
    given = problem()
    wanted = torch.autograd.grad(given.expected(), given.learned)

    loss = given.loss(everything())

    assert loss.item() == pytest.approx(given.expected().item(), rel=1e-5)
    for got, want in zip(torch.autograd.grad(loss, given.learned), wanted, strict=True):
        assert torch.allclose(got, want, atol=1e-6)


def test_huge_scores_do_not_overflow() -> None:
    given = problem()
    with torch.no_grad():
        given.bias.add_(200)  # the same for all: it changes nothing

    assert given.loss(everything()).item() == pytest.approx(given.expected().item(), rel=1e-4)


def test_a_target_needs_not_be_among_the_candidates() -> None:
    given = problem()
    only = Candidates(torch.tensor([4]), torch.zeros(1))

    scores = given.queries @ given.table.T + given.bias
    own = scores[torch.arange(3), given.targets]
    first_user = torch.logaddexp(own[:2], scores[:2, 4]) - own[:2]

    # The second user has rated movie 4, so that nothing is left beside the target: a certainty, whose loss is 0.
    assert given.loss(only).item() == pytest.approx((first_user.sum() / 3).item(), rel=1e-5)


def test_the_sum_over_a_sample_is_on_average_that_over_the_catalogue() -> None:
    torch.manual_seed(0)
    scores = torch.randn(500)
    sampler = Sampler(torch.randint(0, 1000, (501,)), size=100)

    drawn = [sampler.draw() for _ in range(400)]
    sums = torch.stack([(scores[one.movies - 1] - one.log_chance).exp().sum() for one in drawn])

    assert sums.mean().item() == pytest.approx(scores.exp().sum().item(), rel=0.03)
    assert sum(len(one.movies) for one in drawn) / len(drawn) == pytest.approx(100, rel=0.03)


def test_popular_movies_are_in_every_sample_and_the_unknown_one_in_none() -> None:
    sampler = Sampler(torch.tensor([10_000, 10_000, 0, 0, 0, 0, 0]), size=2)

    drawn = [set(sampler.draw().movies.tolist()) for _ in range(50)]

    assert all(1 in movies and 0 not in movies for movies in drawn)
    assert len(set.union(*drawn)) > 2


def test_a_sample_as_large_as_the_catalogue_is_the_catalogue() -> None:
    drawn = Sampler(torch.tensor([0, 5, 1, 9]), size=50).draw()

    assert drawn.movies.tolist() == [1, 2, 3]
    assert not drawn.log_chance.any()


def test_the_gradients_of_a_sample_are_those_of_its_weighted_sum() -> None:
    given = problem()
    # Movie 2, the target of the second query, is not in the sample; 3 and 5 count three times and twice.
    sample = Candidates(torch.tensor([1, 3, 5]), -torch.tensor([1.0, 3.0, 2.0]).log())
    scores = given.queries @ given.table.T + given.bias
    told_from = [[5], [5], [1, 3]]  # without the target, and without what was rated before the query
    losses = []
    for query, movies in enumerate(told_from):
        weights = torch.tensor([{1: 1.0, 3: 3.0, 5: 2.0}[movie] for movie in movies])
        own = scores[query, given.targets[query]]
        losses.append((own.exp() + (weights * scores[query, movies].exp()).sum()).log() - own)
    expected = torch.stack(losses).mean()
    wanted = torch.autograd.grad(expected, given.learned)

    loss = given.loss(sample)

    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for got, want in zip(torch.autograd.grad(loss, given.learned), wanted, strict=True):
        assert torch.allclose(got, want, atol=1e-6)
