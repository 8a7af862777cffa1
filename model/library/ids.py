"""The caller's ids and the numbers that stand for them in the data."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from model.data.conversion.source import as_text
from model.errors import DataError
from model.library.frames import column

MOST_NAMED = 5
"""Of ids that are not known."""


class ExternalIds:
    """Translates between the caller's ids, which are texts or whole numbers, and the numbers in the data."""

    def __init__(self, noun: str, number_of: Mapping[str, int], *, whole_numbers: bool) -> None:
        """``whole_numbers``: the caller's ids are not texts. ``noun`` names them in errors."""
        self.noun = noun
        self.numbers = list(number_of.values())
        self._number_of = number_of
        self._name_of = {number: int(text) if whole_numbers else text for text, number in number_of.items()}

    @classmethod
    def read(cls, noun: str, path: Path, *, whole_numbers: bool) -> "ExternalIds":
        """From a file that `model.data.conversion` has written."""
        numbers, texts = pl.read_csv(path, infer_schema=False).get_columns()
        return cls(noun, dict(zip(texts, numbers.cast(pl.Int64), strict=True)), whole_numbers=whole_numbers)

    def find(self, ids: Iterable[object]) -> list[int]:
        """The number of each id, in their order; `DataError` names those that are not known, and refuses a text."""
        if isinstance(ids, str):
            raise DataError(f"A list of {self.noun}s is wanted, not a text: for one {self.noun}, pass [{ids!r}].")
        texts = id_texts(ids)
        unknown = [text for text in dict.fromkeys(texts) if text not in self._number_of]
        if unknown:
            more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
            named = ", ".join(text or "(missing)" for text in unknown[:MOST_NAMED])
            raise DataError(f"The frames that were learned from have no {self.noun} {named}{more}.")
        return [self._number_of[text] for text in texts]

    def look_up(self, ids: Iterable[object]) -> list[int | None]:
        """As `find`, with None for those that are not known."""
        return [self._number_of.get(text) for text in id_texts(ids)]

    def find_known(self, ids: Iterable[object]) -> list[int]:
        """As `find`, without those that are not known."""
        return [number for number in self.look_up(ids) if number is not None]

    def names(self, numbers: Iterable[int]) -> list[str | int]:
        """The caller's id of each number, in their order."""
        return [self._name_of[number] for number in numbers]


def id_texts(ids: Iterable[object]) -> list[str]:
    """The texts by which the data knows these ids; empty for a missing one."""
    given = column("id", ids)
    texts = given.to_frame().select(as_text("id", given.dtype).fill_null("")).to_series()
    return texts.to_list()


def are_whole_numbers(ids: pl.Series) -> bool:
    """Whether all ids are whole numbers; those of a column with gaps are so as floats."""
    if ids.dtype.is_float():
        return bool((ids.drop_nulls().drop_nans() % 1 == 0).all())
    return ids.dtype.is_integer()
