"""HAProxy with the configuration of ``deploy/``, in front of servers of this machine."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from server import free_port

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"


def program() -> str:
    """HAProxy's; skips the test where it is not installed."""
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("HAProxy is not installed (apt-get install haproxy)")
    return found


def configuration(servers: Sequence[str], port: int) -> str:
    """The one of ``deploy/``, with these servers in place of those that Docker knows by name."""
    text = CONFIGURATION.read_text()
    lines = "\n".join(f"    server replica{n} {urlsplit(server).netloc}" for n, server in enumerate(servers, start=1))
    text, templates = re.subn(r"^ +server-template .*$", lines, text, flags=re.MULTILINE)
    text, binds = re.subn(r"^ +bind :8000$", f"    bind 127.0.0.1:{port}", text, flags=re.MULTILINE)
    assert (templates, binds) == (1, 1)
    return text


@contextmanager
def haproxy(servers: Sequence[str], folder: Path) -> Iterator[str]:
    """The address under which HAProxy spreads requests over these servers; one is ready."""
    port, settings = free_port(), folder / "haproxy.cfg"
    command = [program(), "-f", str(settings)]
    settings.write_text(configuration(servers, port))
    with (folder / "haproxy.log").open("wb") as log:
        started = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address)
        yield address
    finally:
        started.terminate()
        started.wait(10)


def _wait_for(address: str) -> None:
    ends = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"{address}/health/ready").raise_for_status()
            return
        except httpx.HTTPError:
            assert time.monotonic() < ends, "no server behind HAProxy is ready"
            time.sleep(0.05)
