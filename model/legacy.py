"""Old names in files and their current names.

Artifacts of format 5 and results of version 0.1 stay valid: their names are mapped when they are read.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, model_validator

OLDEST_FORMAT = 5
"""The oldest format of artifacts that can be read; those before it contain networks of another shape."""

FIELDS: dict[str, dict[str, str]] = {
    "network": {
        "path": "prior",
        "factorisation": "factorization",
        "relevance": "ranking",
        "rating_scale": "residual_divisor",
        "star_levels": "rating_scale",
    },
    "factorization": {
        "places": "coordinates",
        "parts": "folds",
        "part_sweeps": "fold_sweeps",
        "part_keep_every": "fold_keep_every",
    },
    "training": {"random_cuts": "random_history_lengths"},
    "ranking_training": {"later": "relevance_weight"},
    "preset": {"next_movie": "ranking_training"},
    "card": {"next_movie": "ranking_training"},
    "settings": {"silenced": "zeroed", "rows": "vocabulary_size"},
    "evaluation": {},
    "result": {},
    "comparison": {},
}
"""By kind of record: the old name of each renamed field, and its current name."""

RECORDS = {
    "network": "network",
    "factorization": "factorization",
    "training": "training",
    "recovery": "training",
    "ranking_training": "ranking_training",
    "preset": "preset",
    "settings": "settings",
    "evaluation": "evaluation",
}
"""Fields that contain a record, by their current names, and its kind."""

VALUES = {("prior", "posterior"): "factorization", ("horizon", "later"): "relevance"}
"""Current values, by the field's current name and the old value."""

WEIGHTS = (
    (re.compile(r"^path\.places$"), "prior.coordinates"),
    (re.compile(r"^path\.shares$"), "prior.level_shares"),
    (re.compile(r"^path\.reception$"), "prior.rating_distributions"),
    (re.compile(r"^path\."), "prior."),
    (re.compile(r"^relevance\."), "ranking."),
)
"""Patterns of old names of weights, and the current names; the first pattern that matches counts."""


class WithOldNames(BaseModel):
    """A record that can also be read with the old names of its fields and values.

    Attributes:
        record_kind: a key of `FIELDS`.
    """

    record_kind: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _with_current_names(cls, values: object) -> Any:  # noqa: ANN401 - a validator receives anything
        return fields(cls.record_kind, values)


def fields(kind: str, values: object) -> Any:  # noqa: ANN401 - a validator receives anything
    """A record of this kind, and the records in it, with their current names; anything but a mapping as it is."""
    if not isinstance(values, Mapping):
        return values
    return dict(_field(kind, name, value) for name, value in values.items())


def _field(kind: str, name: str, value: object) -> tuple[str, Any]:
    is_scale = name == "rating_scale" and not isinstance(value, int | float)  # the name was a number's before
    new = name if is_scale else FIELDS[kind].get(name, name)
    if new in RECORDS and isinstance(value, Mapping):
        return new, fields(RECORDS[new], value)
    if isinstance(value, str):
        return new, VALUES.get((new, value), value.replace('"random_cuts"', '"random_history_lengths"'))
    return new, value


def weights(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a network, with their current names."""
    return {_weight(name): tensor for name, tensor in tensors.items()}


def _weight(name: str) -> str:
    for pattern, new in WEIGHTS:
        if pattern.search(name):
            return pattern.sub(new, name)
    return name
