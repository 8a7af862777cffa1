"""Names that earlier versions wrote to disk, and what they are called now; the one place that knows the old ones.

Artifacts of format 5 and kept results of version 0.1 stay valid: their keys are mapped when they are read.
"""

import re
from collections.abc import Mapping
from typing import Any

OLDEST_FORMAT = 5
"""Of an artifact that can be read still; those before it have networks of another shape."""

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
"""By kind of record: each field's old name and its name now."""

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
"""Fields that hold a record, by their names of today, and its kind."""

VALUES = {("prior", "posterior"): "factorization", ("horizon", "later"): "relevance"}
"""By field and old value."""

RUNS = {"bias prior": "bias path", "no cross-fitting": "no crosswise fitting"}
"""Variants that were measured under another name: today's name, and the one that their results are kept under."""

RUN_NAMES = ("model", "name", "first", "second")
"""Fields of results, settings and comparisons that hold the name of a model, and in it perhaps that of a variant."""

WEIGHTS = (
    (re.compile(r"^path\.places$"), "prior.coordinates"),
    (re.compile(r"^path\.shares$"), "prior.level_shares"),
    (re.compile(r"^path\.reception$"), "prior.rating_distributions"),
    (re.compile(r"^path\."), "prior."),
    (re.compile(r"^relevance\."), "ranking."),
)
"""Patterns of the names of weights; of those that match, the first one counts."""


def fields(kind: str, values: object) -> Any:  # noqa: ANN401 - what a validator is given may be anything
    """A record of this kind under the names of today, its nested records too; what is no record stays as it is."""
    if not isinstance(values, Mapping):
        return values
    return dict(_field(kind, name, value) for name, value in values.items())


def _field(kind: str, name: str, value: object) -> tuple[str, Any]:
    is_scale = name == "rating_scale" and not isinstance(value, int | float)  # the name was a number's before
    new = name if is_scale else FIELDS[kind].get(name, name)
    if new in RECORDS and isinstance(value, Mapping):
        return new, fields(RECORDS[new], value)
    if isinstance(value, str) and new in RUN_NAMES:
        return new, _run(value)
    if isinstance(value, str):
        return new, VALUES.get((new, value), value.replace('"random_cuts"', '"random_history_lengths"'))
    return new, value


def kept_run(model: str) -> str:
    """The name under which a run's result is kept, for the name that the run has today."""
    for today, kept in RUNS.items():
        model = model.replace(today, kept)
    return model


def _run(model: str) -> str:
    for today, kept in RUNS.items():
        model = model.replace(kept, today)
    return model


def weights(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Weights under the names that the network has for them now."""
    return {_weight(name): tensor for name, tensor in tensors.items()}


def _weight(name: str) -> str:
    for pattern, new in WEIGHTS:
        if pattern.search(name):
            return pattern.sub(new, name)
    return name
