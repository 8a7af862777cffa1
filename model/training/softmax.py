"""Cross-entropy over the whole catalogue, in blocks, so that the scores of all queries are never in memory together."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

QUERIES_AT_ONCE = 512
"""Queries scored together: few enough that their scores fit into a processor's cache."""

EXCLUDED = -1e9


def next_movie_loss(
    queries: Tensor, table: Tensor, bias: Tensor, targets: Tensor, rated_at: Tensor, user_index: Tensor, steps: Tensor
) -> Tensor:
    """Mean negative log-likelihood of the target movies among the candidates.

    Movies that the user rated before a query's step are no candidates, as in a list.

    Args:
        queries: shape (queries, width).
        table: movie vectors, shape (movies, width); index 0, the unknown movie, is no candidate.
        bias: of each movie, shape (movies,).
        targets: movie index of each query's target, shape (queries,).
        rated_at: step at which each user rated each movie, a great number where never, shape (users, movies).
        user_index: index into ``rated_at`` of each query, shape (queries,).
        steps: of each query, shape (queries,).
    """
    loss: Tensor = _NextMovieLoss.apply(queries, table, bias, targets, rated_at, user_index, steps)  # type: ignore[no-untyped-call]
    return loss


class _NextMovieLoss(torch.autograd.Function):
    """Computes the gradients along with the loss, block by block, while the block's scores are in memory.

    Products run in bfloat16 where the processor has instructions for it; sums and the softmax in single precision.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own context has no public type
        queries: Tensor,
        table: Tensor,
        bias: Tensor,
        targets: Tensor,
        rated_at: Tensor,
        user_index: Tensor,
        steps: Tensor,
    ) -> Tensor:
        precision = matmul_precision(queries.device)
        movies = table.to(precision)
        d_queries, d_table, d_bias = torch.empty_like(queries), torch.zeros_like(table), torch.zeros_like(bias)
        total = queries.new_zeros(())
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            block = slice(start, start + QUERIES_AT_ONCE)
            block_queries = queries[block].to(precision)
            scores = (block_queries @ movies.T).float().add_(bias)
            scores.masked_fill_(rated_at[user_index[block]] < steps[block, None], EXCLUDED)
            scores[:, 0] = EXCLUDED
            index = torch.arange(len(scores), device=scores.device)
            scores.sub_(scores.amax(1, keepdim=True))
            of_targets = scores[index, targets[block]]
            sums = scores.exp_().sum(1, keepdim=True)
            total += (sums.squeeze(1).log() - of_targets).sum()
            # The gradient with respect to the scores, in place: the softmax, minus one at the target.
            scores.div_(sums)
            scores[index, targets[block]] -= 1
            d_bias += scores.sum(0)
            d_scores = scores.to(precision)
            d_queries[block] = d_scores @ movies
            d_table += (d_scores.T @ block_queries).float()
        ctx.save_for_backward(d_queries, d_table, d_bias)
        ctx.queries = len(queries)
        return total / len(queries)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - as above
        share = d_loss / ctx.queries
        d_queries, d_table, d_bias = ctx.saved_tensors
        return d_queries * share, d_table * share, d_bias * share, None, None, None, None


def matmul_precision(device: torch.device) -> torch.dtype:
    """Bfloat16 where the device multiplies it faster than single precision; else single precision."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        fast = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if fast else torch.float32
