"""Cross-entropy over the catalogue or over a sample of it, without the scores of all queries in memory together."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.distributed.group import drawn_by_first
from model.features.catalogue import FIRST_INDEX


class Candidates(NamedTuple):
    """The movies that a step's targets are told from: the whole catalogue, or a sample of it.

    Attributes:
        movies: movie indices, shape (candidates,).
        log_chance: logarithm of the chance that the sample holds each of them, shape (candidates,).
    """

    movies: Tensor
    log_chance: Tensor

    def among(self, movies: Tensor) -> "Candidates":
        """The same with row numbers in ``movies`` (movies,), ascending, which has all candidates."""
        return self._replace(movies=torch.searchsorted(movies, self.movies))

    def to(self, device: torch.device) -> "Candidates":
        return Candidates(self.movies.to(device), self.log_chance.to(device))


class Sampler:
    """Draws candidates: each movie on its own, popular ones more often.

    The most popular movies, which have the greatest part of the softmax's sum, are in every sample.
    """

    def __init__(self, ratings: Tensor, size: int | None) -> None:
        """``ratings`` are numbers of ratings, shape (movies,); ``size`` is that of a sample, about, None for all."""
        weights = (ratings[FIRST_INDEX:].double() + 1).sqrt()
        self.chances = _chances(weights, len(weights) if size is None else size)

    def draw(self) -> Candidates:
        """A new sample, by PyTorch's random numbers, the same in all processes; the unknown movie is never in it."""
        random = drawn_by_first(torch.rand(len(self.chances), dtype=torch.double))
        drawn = (random < self.chances).nonzero().squeeze(1)
        return Candidates(drawn + FIRST_INDEX, self.chances[drawn].log().float())


def _chances(weights: Tensor, size: int) -> Tensor:
    """Chances in proportion to the weights, but at most 1, with a sum of ``size``; shape (movies,)."""
    if size >= len(weights):
        return torch.ones_like(weights)
    certain = torch.zeros_like(weights, dtype=torch.bool)
    while True:
        others = weights.masked_fill(certain, 0.0)
        chances = (others * ((size - certain.sum()) / others.sum())).masked_fill(certain, 1.0)
        if not (chances > 1).any():
            return chances
        certain |= chances > 1


def next_movie_loss(
    queries: Tensor,
    table: Tensor,
    bias: Tensor,
    targets: Tensor,
    rated_at: Tensor,
    steps: Tensor,
    counts: list[int],
    candidates: Candidates,
) -> Tensor:
    """Mean negative log-likelihood of the target movies among the candidates.

    Movies that the user rated before a query's step are not candidates, as in a list. In a sample, a candidate's score
    counts as often as movies like it are missing: less the logarithm of its chance, it makes the sum of the sample an
    unbiased estimate of the sum of the catalogue (Bengio and Senecal 2008, "Adaptive importance sampling to accelerate
    training of a neural probabilistic language model").

    Args:
        queries: one user's after the other's, shape (queries, width).
        table: movie vectors, shape (movies, width).
        bias: of each movie, shape (movies,).
        targets: movie index of each query's target, whether a candidate or not, shape (queries,).
        rated_at: step at which each user rated each movie, a great number where never, shape (users, movies).
        steps: of each query, shape (queries,).
        counts: number of queries of each user.
        candidates: as from `Sampler`.
    """
    loss: Tensor = _NextMovieLoss.apply(queries, table, bias, targets, rated_at, steps, counts, candidates)  # type: ignore[no-untyped-call]
    return loss


class _NextMovieLoss(torch.autograd.Function):
    """Computes the gradients along with the loss, user by user, while a user's scores are in the processor's cache."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own context has no public type
        queries: Tensor,
        table: Tensor,
        bias: Tensor,
        targets: Tensor,
        rated_at: Tensor,
        steps: Tensor,
        counts: list[int],
        candidates: Candidates,
    ) -> Tensor:
        movies = table[candidates.movies]
        movie_bias = bias[candidates.movies] - candidates.log_chance
        rated_at = rated_at[:, candidates.movies]
        of_targets = (queries * table[targets]).sum(1) + bias[targets]
        # A target is not a candidate of its own query: its score is known, and never sampled.
        column = torch.full((len(table),), -1, device=table.device)
        column[candidates.movies] = torch.arange(len(movies), device=table.device)
        target_columns = column[targets]
        d_queries, d_movies, d_bias = torch.empty_like(queries), torch.zeros_like(movies), torch.zeros_like(movie_bias)
        of_sums = torch.empty_like(of_targets)  # logarithms of the sums
        start = 0
        for user, count in enumerate(counts):
            block = slice(start, start + count)
            start += count
            scores = torch.addmm(movie_bias, queries[block], movies.T)
            scores.masked_fill_(rated_at[user] < steps[block, None], -torch.inf)
            target_column = target_columns[block, None]
            target_at = target_column.clamp(min=0)
            scores.scatter_(1, target_at, scores.gather(1, target_at).masked_fill_(target_column >= 0, -torch.inf))
            largest = torch.maximum(scores.amax(1), of_targets[block])
            scores.sub_(largest[:, None]).exp_()
            sums = scores.sum(1).add_((of_targets[block] - largest).exp_())
            of_sums[block] = sums.log() + largest
            # The gradient with respect to the scores, in place: the softmax.
            scores.div_(sums[:, None])
            d_bias += scores.sum(0)
            torch.mm(scores, movies, out=d_queries[block])
            d_movies.addmm_(scores.T, queries[block])
        losses = of_sums - of_targets
        d_targets = (-losses).exp_().sub_(1)  # the softmax at the target, minus one
        d_queries.addcmul_(d_targets[:, None], table[targets])
        d_table = torch.zeros_like(table).index_copy_(0, candidates.movies, d_movies)
        d_table.index_add_(0, targets, d_targets[:, None] * queries)
        d_all_bias = torch.zeros_like(bias).index_copy_(0, candidates.movies, d_bias).index_add_(0, targets, d_targets)
        ctx.save_for_backward(d_queries, d_table, d_all_bias)
        ctx.queries = len(queries)
        return losses.sum() / len(queries)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - as above
        share = d_loss / ctx.queries
        d_queries, d_table, d_bias = ctx.saved_tensors
        return d_queries * share, d_table * share, d_bias * share, None, None, None, None, None
