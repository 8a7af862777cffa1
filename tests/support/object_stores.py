"""An object store that speaks S3, in a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from server import free_port


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server without buckets, which takes any key."""
    port = free_port()
    started = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        ends = time.monotonic() + 60
        while True:
            try:
                httpx.get(address)
                break
            except httpx.TransportError:
                assert started.poll() is None
                assert time.monotonic() < ends, "the object store did not come up"
                time.sleep(0.1)
        yield address
    finally:
        started.terminate()
        started.wait(10)
