"""Data frames of any library, by narwhals, as the tables of polars that the rest reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals as nw
import polars as pl

from model.errors import DataError


class Frames:
    """The kind of frame that a caller uses: pandas, polars, PyArrow or another that narwhals knows."""

    def __init__(self, backend: Any = nw.Implementation.POLARS) -> None:  # noqa: ANN401 - a name of narwhals
        self.backend = backend

    @classmethod
    def of(cls, frame: Any) -> "Frames":  # noqa: ANN401 - a frame of any library
        return cls(_eager(frame).implementation)

    def build(self, columns: Mapping[str, Sequence[object]]) -> Any:  # noqa: ANN401 - as above
        """A frame of the caller's kind."""
        return nw.from_dict(dict(columns), backend=self.backend).to_native()


def table(frame: Any, columns: Sequence[str] | None = None) -> pl.DataFrame:  # noqa: ANN401 - a frame of any library
    """The frame's columns, or some of them; `DataError` if one is missing, or if it is not a frame."""
    eager = _eager(frame)
    if columns is not None and (missing := [name for name in columns if name not in eager.columns]):
        raise DataError(f"The frame has no column {', '.join(missing)}. It has: {', '.join(eager.columns)}.")
    # By lists, since polars reads other frames by PyArrow, which not everyone has.
    return pl.DataFrame([_column(eager[name]) for name in columns or eager.columns])


def _column(series: nw.Series[Any]) -> pl.Series:
    is_null = series.is_null().to_list()
    values = (None if missing else value for value, missing in zip(series.to_list(), is_null, strict=True))
    return column(series.name, values)


def column(name: str, values: Iterable[object]) -> pl.Series:
    """A column of the values, as texts where they are of a type that polars does not know."""
    given = list(values)
    series = pl.Series(name, given, strict=False)
    if series.dtype != pl.Object:
        return series
    return pl.Series(name, [None if value is None else str(value) for value in given])


def _eager(frame: Any) -> nw.DataFrame[Any]:  # noqa: ANN401 - a frame of any library
    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise DataError(f"A data frame of pandas or polars is wanted, not {type(frame).__name__}.") from error
