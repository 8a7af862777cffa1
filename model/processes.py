"""How a process computes on one core and shares memory among threads, and how one that works for another ends."""

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Numbers of `mallopt`'s parameters in glibc."""

ARENAS = 2

LEAST_ALONE = 1 << 20
"""Bytes of a piece of memory that goes back to the system when it is free; smaller ones lie in heaps side by side."""

MOST_SPARE = 4 << 20
"""Bytes of free memory at the end of a heap that are kept for what comes next."""


def use_little_memory() -> None:
    """From now on free memory goes back to the system sooner, and less of it lies between pieces that are in use.

    Threads take memory from two heaps, not from up to eight for each core, whose holes all stay. And glibc does not
    learn from large arrays that are free again, as there are while a model is loaded, to put the next ones into a heap.
    Other C libraries than glibc are left as they are.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(ARENA_MAX, ARENAS)
        mallopt(MMAP_THRESHOLD, LEAST_ALONE)
        mallopt(TRIM_THRESHOLD, MOST_SPARE)


def give_free_memory_back() -> None:
    """Free memory goes back to the system now, also what lies between pieces that are in use.

    It takes glibc some milliseconds. Other C libraries are left as they are.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def use_one_thread() -> None:
    """From now on operators of PyTorch and products of NumPy stay on one core each.

    Beside other work, threads inside an operation of microseconds wait for each other many times as long as it takes.
    """
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, operators of PyTorch stay on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def work_for_parent() -> None:
    """Leave interruptions to the parent, which they reach too, and end when it is gone, whatever ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)  # nobody waits for what this process does; what it has written is whole
