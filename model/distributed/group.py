"""The process group of a training, seen from one of its processes.

`torchrun` starts the processes and tells each its rank. All run the same program on the same data: each computes its
share of the users, and sums and means of all are computed together. A process alone is a group of one, in which every
function here gives back what it is given.

Random numbers of which all processes need the same ones come from generators with the same seed, so that the number of
processes does not change them.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from platform import node
from types import FrameType
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from model.errors import DeviceError, ProcessGroupError, ProcessLostError
from model.types import IntArray

T = TypeVar("T")

SECONDS_TO_MEET = 60
"""How long a process tries to reach the first one."""

SECONDS_TO_WAIT = 3600
"""How long a process waits for what others compute; the first one alone scores the model, for example."""


def size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, 0 for the first."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the process that reads checkpoints, writes files and reports."""
    return rank() == 0


def is_launched() -> bool:
    """Whether `torchrun` has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_restarted() -> bool:
    """Whether `torchrun` has started this process anew, after one of the group had ended too early."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Within it, this process belongs to the group that the environment names (`RANK`, `WORLD_SIZE`, and so on).

    Raises `ProcessGroupError` if the others cannot be reached, and `ProcessLostError` if one of them ends too early.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield
        return
    if device.type == "cuda":
        _choose_gpu(int(os.environ.get("LOCAL_RANK", "0")))
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a handler would wait until the others are met
    _meet()
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher ends this process, which has to say why first
        raise
    signal.signal(signal.SIGTERM, before)
    dist.destroy_process_group()


def _choose_gpu(local_rank: int) -> None:
    gpus = torch.cuda.device_count()
    if local_rank >= gpus:
        raise DeviceError(
            f"This machine has fewer GPUs ({gpus}) than processes that train. Start one for each, or choose cpu."
        )
    torch.cuda.set_device(local_rank)


def _meet() -> None:
    try:
        store, number, processes = next(rendezvous("env://", timeout=timedelta(seconds=SECONDS_TO_MEET)))
        # The launcher's store outlives a restart, and would still have the addresses of the processes before.
        store = PrefixStore(f"start_{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        patience = timedelta(seconds=SECONDS_TO_WAIT)
        dist.init_process_group("gloo", store=store, rank=number, world_size=processes, timeout=patience)
    except (RuntimeError, ValueError) as error:
        address = f"{os.environ.get('MASTER_ADDR', '(not set)')}:{os.environ.get('MASTER_PORT', '(not set)')}"
        raise ProcessGroupError(
            f"Process {os.environ.get('RANK', '(RANK is not set)')} cannot reach the first one, at {address}. See that "
            "MASTER_ADDR and MASTER_PORT are its address, that it runs, and that no firewall lies between them "
            f"({str(error).splitlines()[0]})."
        ) from error


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """The launcher ends all processes when one of them has ended."""
    raise ProcessLostError


@contextmanager
def losses_named() -> Iterator[None]:
    """Within it, or in a function that it decorates, a lost connection is a `ProcessLostError`."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error):  # gloo raises no type of its own
            raise ProcessLostError from error
        raise


@contextmanager
def one_per_machine_first() -> Iterator[None]:
    """Within it, the first process of each machine comes before the others: it downloads what they then find."""
    comes_first = os.environ.get("LOCAL_RANK", "0") == "0"
    if size() > 1 and not comes_first:
        _wait_for_all()
    yield
    if size() > 1 and comes_first:
        _wait_for_all()


@losses_named()
def _wait_for_all() -> None:
    summed(torch.zeros(1))


def require_same(facts: Mapping[str, str]) -> None:
    """Compare what must be the same in all processes, by its name; the first one raises `ProcessGroupError`."""
    if size() == 1:
        return
    gathered: list[tuple[str, Mapping[str, str]]] = [("", {})] * size()
    with losses_named():
        dist.all_gather_object(gathered, (node(), facts))
    from_first(lambda: _compare(gathered))


def _compare(gathered: list[tuple[str, Mapping[str, str]]]) -> None:
    first_machine, expected = gathered[0]
    for number, (machine, facts) in enumerate(gathered):
        for name, value in expected.items():
            if facts.get(name) != value:
                raise ProcessGroupError(
                    f"Process {number} on {machine} has another {name} ({facts.get(name)}) than process 0 on "
                    f"{first_machine} ({value}). Give all machines the same versions, data and options."
                )


def from_first(compute: Callable[[], T]) -> T:
    """What ``compute`` gives in the first process, in all of them. If it fails there, that one raises, and all end."""
    if size() == 1:
        return compute()
    if not is_first():
        received: T = _received()
        return received
    try:
        result = compute()
    except Exception:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the others end at once, and this one has to say why
        _send(None)
        raise
    _send((result,))
    return result


@losses_named()
def _send(outcome: tuple[object] | None) -> None:
    dist.broadcast_object_list([outcome], src=0)


@losses_named()
def _received() -> Any:  # noqa: ANN401 - what the first process has computed
    outcome: list[tuple[object] | None] = [None]
    dist.broadcast_object_list(outcome, src=0)
    if outcome[0] is None:
        sys.exit(1)
    return outcome[0][0]


@losses_named()
def like_first(module: nn.Module) -> None:
    """Give a module, on a CPU, the parameters and buffers that it has in the first process."""
    if size() > 1:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, src=0)


@losses_named()
def drawn_by_first(values: Tensor) -> Tensor:
    """The values of the first process, in place."""
    if size() > 1:
        dist.broadcast(values, src=0)
    return values


@losses_named()
def summed(values: Tensor) -> Tensor:
    """The sum over all processes, in place; the same to the last digit in each of them."""
    if size() > 1:
        dist.all_reduce(values)
    return values


def share(things: int) -> slice:
    """This process's share of so many things in a row; the shares of all processes are the row."""
    return slice(things * rank() // size(), things * (rank() + 1) // size())


def share_of_users(ratings: IntArray) -> slice:
    """As `share`, of users with so many ratings each, shape (users,): a process gets its share of the ratings."""
    inner = np.searchsorted(np.cumsum(ratings), ratings.sum() * np.arange(1, size()) / size(), "right")
    ends = [0, *inner.tolist(), len(ratings)]
    return slice(ends[rank()], ends[rank() + 1])


def gathered(local: Tensor, where: slice, count: int) -> Tensor:
    """The rows of all processes, shape (count, ...); this one has those ``where``."""
    if size() == 1:
        return local
    rows = local.new_zeros(count, *local.shape[1:])
    rows[where] = local
    return summed(rows)


class StepShare:
    """This process's users of a training step.

    Where a step has fewer users than there are processes, those left over compute with a user of another process, since
    all have to take part, and their results do not count.

    Attributes:
        users: which of the step's users.
    """

    def __init__(self, users: int) -> None:
        """``users`` is the number of all users of the step."""
        self.users = slice(rank() % users, None, size())  # not in a row: they may be sorted by their work
        self._counts = rank() < users

    def counted(self, samples: int) -> int:
        """How many of this process's samples count."""
        return samples if self._counts else 0

    def weight(self, samples: int, total: int) -> float:
        """Of a mean over this process's samples, so that the mean of all processes is that over ``total`` samples."""
        return self.counted(samples) * size() / total


class _Computation(nn.Module):
    """Any computation with some parameters as a module, which is what `DistributedDataParallel` takes."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__()
        self.trained = nn.ParameterList(parameters)

    def forward(self, compute: Callable[[], Tensor]) -> Tensor:
        return compute()


def averaging(parameters: Iterable[nn.Parameter]) -> Callable[[Callable[[], Tensor]], Tensor]:
    """Calls a computation with these parameters such that its gradients are means over all processes.

    The parameters become those of the first process. A computation may leave some of them out. Gradients on GPUs go by
    NCCL; all else goes by gloo.
    """
    if size() == 1:
        return lambda compute: compute()
    computation = _Computation(parameters)
    on_gpu = next(computation.parameters()).is_cuda
    group = dist.new_group(backend="nccl") if on_gpu else None
    return DistributedDataParallel(computation, process_group=group, find_unused_parameters=True)
