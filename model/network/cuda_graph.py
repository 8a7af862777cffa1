"""Recurrences on a GPU, replayed from CUDA graphs.

A recurrence of a hundred steps asks the GPU for two thousand small operations, forward and backward, and each takes
longer to ask for than to compute. A graph holds them all, recorded once for each shape, and asks for them at once.
"""

import gc
import logging
from collections.abc import Callable
from typing import cast
from weakref import WeakKeyDictionary

import torch
import torch.distributed
from torch import Tensor, nn

STEPS_AT_ONCE = 8
"""Sequences are lengthened to a multiple of so many steps, so that there are few shapes to record."""

logger = logging.getLogger(__name__)

Steps = Callable[..., Tensor]
"""A function of some sequences (time, ...) and some weights, whose states (time, ...) depend on no later step."""

_recorded: WeakKeyDictionary[nn.Module, dict[tuple[torch.Size, ...], Steps]] = WeakKeyDictionary()


def can_replay(inputs: Tensor) -> bool:
    """Whether a recurrence over these inputs is worth a graph: it is to be trained, on a GPU, by one process alone.

    Several processes talk to each other by NCCL, which does not bear a recording beside it.
    """
    alone = not (torch.distributed.is_available() and torch.distributed.is_initialized())
    return inputs.is_cuda and torch.is_grad_enabled() and len(inputs) > 0 and alone


def replayed(layer: nn.Module, steps: Steps, sequences: tuple[Tensor, ...], weights: tuple[Tensor, ...]) -> Tensor:
    """What ``steps(*sequences, *weights)`` gives, and the same gradients.

    A graph has one place in memory for its results: a layer's states are overwritten when it is called again with
    sequences of the same shape. So the backward pass has to come first, as it does in a training step.
    """
    time = len(sequences[0])
    missing = -time % STEPS_AT_ONCE
    # Autocast would record its copies of the weights, which are those of one step.
    with torch.autocast(sequences[0].device.type, enabled=False):
        longer = [nn.functional.pad(one.float(), (0, 0) * (one.dim() - 1) + (0, missing)) for one in sequences]
        arguments = (*longer, *(weight.float() for weight in weights))
        graphs = _recorded.setdefault(layer, {})
        shapes = tuple(argument.shape for argument in arguments)
        if shapes not in graphs:
            graphs[shapes] = _record(steps, arguments)
        return graphs[shapes](*arguments)[:time]


def forget() -> None:
    """Give the memory of all graphs back, once what they are for is trained."""
    if _recorded:
        _recorded.clear()
        gc.collect()  # the functions of a graph refer to each other


def _record(steps: Steps, arguments: tuple[Tensor, ...]) -> Steps:
    samples = tuple(torch.zeros_like(argument).requires_grad_(argument.requires_grad) for argument in arguments)
    try:
        recorded = torch.cuda.make_graphed_callables(steps, samples)
    except torch.OutOfMemoryError:
        logger.warning("the GPU has no memory for a graph, so that training takes longer")
        return steps
    return cast("Steps", recorded)
