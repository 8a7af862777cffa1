"""Reads and writes the state of interrupted runs as safetensors files, each named by what the run depends on."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.data.sequences import Examples
from model.errors import CheckpointError
from model.files import atomic_write


def run_name(name: str, settings: str, example_sets: Iterable[Examples], content: bytes = b"") -> str:
    """A name for each combination of settings and data, so that no run resumes another's checkpoint.

    ``content`` is what the run learns from besides the examples.
    """
    digest = hashlib.sha256(settings.encode() + content)
    for examples in example_sets:
        digest.update(examples.sequences.user_ids.tobytes())
        digest.update(examples.sequences.profiles.tobytes())
        digest.update(examples.sequences.movies.tobytes())
        digest.update(examples.sequences.stars.tobytes())
        digest.update(examples.history_lengths.tobytes())
        digest.update(bytes([examples.interleaved]))
    return f"{name}-{digest.hexdigest()[:16]}"


def write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a checkpoint; an interruption leaves the one before."""
    with atomic_write(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def read(path: Path, settings: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and metadata that a run with these settings wrote.

    `CheckpointError` if the file cannot be read, or if its metadata ``config`` are other settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). Delete it to start afresh.") from error
    if (metadata or {}).get("config") != settings:
        raise CheckpointError(f"{path} belongs to a run with other settings. Delete it, or train without --resume.")
    return tensors, metadata


def over(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, their names with this prefix."""
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names have this prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state of every parameter, as ``0.exp_avg`` and so on."""
    states = optimizer.state_dict()["state"].items()
    return {f"{index}.{name}": tensor for index, state in states for name, tensor in state.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
