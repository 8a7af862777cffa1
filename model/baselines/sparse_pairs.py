"""Products with sparse matrices whose non-zero elements are at fixed positions, with gradients.

Only these positions are computed: in MovieLens 1M, a twenty-fifth of all (user, movie) pairs.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import embedding_bag


@dataclass(frozen=True)
class Pairs:
    """Positions of the non-zero elements of a sparse matrix, sorted by row, then by column.

    Attributes:
        rows: shape (pairs,).
        columns: shape (pairs,).
        by_column: permutation that sorts the pairs by column, shape (pairs,).
        shape: rows and columns of the matrix.
    """

    rows: Tensor
    columns: Tensor
    by_column: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> "Pairs":
        """From pairs that are sorted already."""
        return cls(rows, columns, columns.argsort(stable=True), shape)

    def sums(self, values: Tensor, table: Tensor) -> Tensor:
        """The sparse matrix of these values, shape (pairs,), times ``table`` of shape (columns, width).

        Gradients flow to the table alone.
        """
        summed: Tensor = _Sums.apply(table, values, self)  # type: ignore[no-untyped-call]
        return summed

    def dots(self, left: Tensor, right: Tensor) -> Tensor:
        """``left[row] . right[column]`` of every pair, shape (pairs,)."""
        products: Tensor = _Dots.apply(left, right, self)  # type: ignore[no-untyped-call]
        return products

    @cached_property
    def row_starts(self) -> Tensor:
        """First pair of each row, and the number of pairs at the end, shape (rows + 1,)."""
        return _starts(self.rows, self.shape[0])

    @cached_property
    def column_starts(self) -> Tensor:
        return _starts(self.columns[self.by_column], self.shape[1])

    @cached_property
    def rows_by_column(self) -> Tensor:
        return self.rows[self.by_column]

    @cached_property
    def zeros(self) -> Tensor:
        """The sparse matrix with zeros at these positions, in CSR format."""
        zeros = torch.zeros(len(self.rows), device=self.rows.device)
        with warnings.catch_warnings():  # torch warns that CSR tensors are in beta
            warnings.simplefilter("ignore")
            return torch.sparse_csr_tensor(self.row_starts, self.columns, zeros, self.shape, check_invariants=False)

    def times(self, values: Tensor, table: Tensor) -> Tensor:
        """As `sums`, without gradients."""
        return embedding_bag(
            self.columns, table, self.row_starts, mode="sum", per_sample_weights=values, include_last_offset=True
        )

    def transposed_times(self, values: Tensor, table: Tensor) -> Tensor:
        """The transposed sparse matrix times ``table`` of shape (movies, width), without gradients."""
        return embedding_bag(
            self.rows_by_column,
            table,
            self.column_starts,
            mode="sum",
            per_sample_weights=values[self.by_column],
            include_last_offset=True,
        )


class _Sums(Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, values: Tensor, pairs: Pairs) -> Tensor:  # noqa: ANN401 - torch's own
        ctx.pairs = pairs
        ctx.save_for_backward(values)
        return pairs.times(values, table)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (values,) = ctx.saved_tensors
        return ctx.pairs.transposed_times(values, gradient.contiguous()), None, None


class _Dots(Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, pairs: Pairs) -> Tensor:  # noqa: ANN401
        ctx.pairs = pairs
        ctx.save_for_backward(left, right)
        products: Tensor = torch.sparse.sampled_addmm(pairs.zeros, left, right.T, beta=0.0).values()
        return products

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        left, right = ctx.saved_tensors
        gradient = gradient.contiguous()
        return ctx.pairs.times(gradient, right), ctx.pairs.transposed_times(gradient, left), None


def _starts(ascending: Tensor, count: int) -> Tensor:
    return torch.searchsorted(ascending, torch.arange(count + 1, device=ascending.device))
