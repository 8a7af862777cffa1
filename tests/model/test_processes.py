"""How a process computes."""

import platform
import re
import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from model.processes import use_one_thread


def test_one_thread_is_one_for_pytorch_and_for_numpy() -> None:
    threads = torch.get_num_threads()
    with threadpool_limits(2, user_api="blas"):
        use_one_thread()
        products = {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
        operators = torch.get_num_threads()
    torch.set_num_threads(threads)

    assert (products, operators) == ({1}, 1)


def printed_by(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def mapped(malloc_info: str) -> int:
    """Bytes that a process has outside its heaps."""
    return int(re.findall(r'type="mmap" count="\d+" size="(\d+)"', malloc_info)[-1])


HEAPS = """
import ctypes, sys, threading
from model.processes import use_little_memory

if sys.argv[1] == "shared":
    use_little_memory()
libc, all_there = ctypes.CDLL(None), threading.Barrier(9)
libc.malloc.restype = ctypes.c_void_p

def allocate():
    libc.malloc(1000)
    all_there.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
all_there.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def heaps(mode: str) -> int:
    """Of a process with eight threads that take memory."""
    return printed_by(HEAPS, mode).count("<heap nr=")


LARGE = """
import ctypes, sys
from model.processes import use_little_memory

if sys.argv[1] == "little":
    use_little_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free(ctypes.c_void_p(libc.malloc(20 << 20)))
libc.malloc(20 << 20)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def outside_heaps(mode: str) -> int:
    """Bytes that a process has outside its heaps, which has had a large array, and has another one."""
    return mapped(printed_by(LARGE, mode))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that has heaps for threads")
def test_threads_share_two_heaps() -> None:
    assert heaps("shared") <= 2 < heaps("alone")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that learns from what is free again")
def test_a_large_array_goes_into_no_heap_though_others_came_and_went() -> None:
    assert outside_heaps("little") - outside_heaps("usual") >= 20 << 20


PRODUCTS = """
import ctypes, threading
import app.cli

def multiply():
    import torch

    torch.set_num_threads(1)
    libc, all_there = ctypes.CDLL(None), threading.Barrier(9)

    def product():
        torch.mm(torch.ones(32, 192), torch.ones(192, 3884))
        all_there.wait()
        all_there.wait()

    threads = [threading.Thread(target=product) for _ in range(8)]
    for thread in threads:
        thread.start()
    all_there.wait()
    libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
    libc.fflush(None)
    all_there.wait()

app.cli._run = multiply
app.cli.main()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that says what lies outside its heaps")
def test_threads_of_a_command_keep_no_memory_of_a_product() -> None:
    assert mapped(printed_by(PRODUCTS)) < 16 << 20  # MKL would keep six MiB for each of eight threads


HOLES = """
import ctypes
from model.processes import give_free_memory_back

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
pieces = [libc.malloc(16_000) for _ in range(4000)]
for piece in pieces:
    ctypes.memset(ctypes.c_void_p(piece), 1, 16_000)
for number, piece in enumerate(pieces):
    if number % 100:  # what stays is between what goes, and at the end
        libc.free(ctypes.c_void_p(piece))

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * 4096

before = resident()
give_free_memory_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps what is free between pieces")
def test_memory_that_is_free_between_pieces_in_use_goes_back_to_the_system() -> None:
    assert int(printed_by(HOLES)) > 48 << 20
