"""Files of an experiment; each is written aside and renamed, so that an interruption leaves none half written."""

from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from model.evaluation.rating_metrics import Predicted

Record = TypeVar("Record", bound=BaseModel)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.writing")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def read_record(path: Path, record: type[Record]) -> Record | None:
    """What a file holds; None where there is no file, or one that is damaged or of an older form."""
    try:
        return record.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def write_predictions(path: Path, predicted: Predicted) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.writing")
    present = {name: values for name, values in predicted._asdict().items() if values is not None}
    save_file({name: np.ascontiguousarray(values) for name, values in present.items()}, aside)
    aside.replace(path)


def read_predictions(path: Path) -> Predicted | None:
    """What `write_predictions` wrote; None where there is no such file or a damaged one."""
    try:
        return Predicted(**load_file(path))
    except (OSError, SafetensorError, TypeError):
        return None
