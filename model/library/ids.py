"""The caller's ids and the numbers that stand for them in the data."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from model.errors import DataError

MOST_NAMED = 5
"""Of ids that are not known."""


class ExternalIds:
    """Translates between the caller's ids, which are texts or whole numbers, and the numbers in the data."""

    def __init__(self, noun: str, number_of: Mapping[str, int], *, whole_numbers: bool) -> None:
        """``whole_numbers``: the caller's ids are no texts. ``noun`` names them in errors."""
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
        """The number of each id, in their order; `DataError` names those that are not known."""
        texts = [str(id_) for id_ in ids]
        unknown = [text for text in dict.fromkeys(texts) if text not in self._number_of]
        if unknown:
            more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
            named = ", ".join(unknown[:MOST_NAMED])
            raise DataError(f"The frames that were learned from have no {self.noun} {named}{more}.")
        return [self._number_of[text] for text in texts]

    def find_known(self, ids: Iterable[object]) -> list[int]:
        """As `find`, without those that are not known."""
        return [self._number_of[text] for id_ in ids if (text := str(id_)) in self._number_of]

    def names(self, numbers: Iterable[int]) -> list[str | int]:
        """The caller's id of each number, in their order."""
        return [self._name_of[number] for number in numbers]
