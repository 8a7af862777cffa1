"""Files of an experiment; an interruption leaves none half written."""

from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from model.evaluation.rating_metrics import Predicted
from model.files import atomic_write

Record = TypeVar("Record", bound=BaseModel)


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_record(path: Path, record: type[Record]) -> Record | None:
    """What a file holds; None where there is no file, or one that is damaged or of an older form."""
    try:
        return record.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def write_predictions(path: Path, predicted: Predicted) -> None:
    present = {name: values for name, values in predicted._asdict().items() if values is not None}
    with atomic_write(path) as temporary:
        save_file({name: np.ascontiguousarray(values) for name, values in present.items()}, temporary)


def read_predictions(path: Path) -> Predicted | None:
    """What `write_predictions` wrote; None where there is no such file or a damaged one."""
    try:
        return Predicted(**load_file(path))
    except (OSError, SafetensorError, TypeError):
        return None
