"""What a converted folder says of its source, in files beside the data: the ids and the scale of the ratings there."""

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError
from pydantic import ValidationError

from model.errors import DataError
from model.rating_scale import OriginalScale

IDS_FILES = {"user": "users-ids.csv", "movie": "movies-ids.csv"}
"""``userId`` or ``movieId``, the number in the data, and ``externalId``, the id in the source."""

SCALE_FILE = "scale.json"
"""An `OriginalScale`; there is none where ratings were stars, and none for likes."""


def read_external_ids(folder: Path, noun: str) -> dict[int, str]:
    """The id in the source by number in the data; empty without a file, or where the numbers are those of the source.

    `DataError` if the file has other columns, or an id twice.
    """
    path = folder / IDS_FILES[noun]
    if not path.is_file():
        return {}
    try:
        rows = pl.read_csv(path, infer_schema=False)
        numbers, texts = rows[f"{noun}Id"].cast(pl.Int64).to_list(), rows["externalId"].to_list()
    except PolarsError as error:
        raise DataError(f"{path} has no columns {noun}Id and externalId: {error}. Mend it or take it away.") from error
    if len(set(numbers)) < len(numbers) or len(set(texts)) < len(texts):
        raise DataError(f"{path} has an id twice. Mend it or take it away.")
    if all(str(number) == text for number, text in zip(numbers, texts, strict=True)):
        return {}
    return dict(zip(numbers, texts, strict=True))


def read_scale(folder: Path) -> OriginalScale | None:
    """What the ratings were before they were stars; None where nothing says so. `DataError` for a broken file."""
    path = folder / SCALE_FILE
    if not path.is_file():
        return None
    try:
        return OriginalScale.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} is not a scale that `seqrec data convert` wrote. Mend it or take it away.") from error
