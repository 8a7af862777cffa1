"""Products with sparse matrices whose pattern of non-zero elements is fixed, with gradients.

A twenty-fifth of all (user, movie) pairs of MovieLens 1M are rated; only those are visited.
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
    """The places of a sparse matrix that hold something, sorted by row and within a row by column.

    Attributes:
        rows: shape (pairs,).
        columns: shape (pairs,).
        by_column: the order that sorts the pairs by column, shape (pairs,).
        shape: rows and columns of the matrix.
    """

    rows: Tensor
    columns: Tensor
    by_column: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> "Pairs":
        """Of pairs that are in the right order already."""
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
        """Where each row's pairs begin, and the end of the last, shape (rows + 1,)."""
        return _starts(self.rows, self.shape[0])

    @cached_property
    def column_starts(self) -> Tensor:
        return _starts(self.columns[self.by_column], self.shape[1])

    @cached_property
    def rows_by_column(self) -> Tensor:
        return self.rows[self.by_column]

    @cached_property
    def zeros(self) -> Tensor:
        """The sparse matrix with zeros at these places, in CSR form."""
        nothing = torch.zeros(len(self.rows), device=self.rows.device)
        with warnings.catch_warnings():  # that CSR tensors are new to torch: of no concern to who trains a model
            warnings.simplefilter("ignore")
            return torch.sparse_csr_tensor(self.row_starts, self.columns, nothing, self.shape, check_invariants=False)

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
