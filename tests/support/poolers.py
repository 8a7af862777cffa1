"""PgBouncer in front of a PostgreSQL server, one session a transaction."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from server import free_port
from sqlalchemy import make_url

SESSIONS = 3
"""Of PostgreSQL, which all clients share."""


@contextmanager
def pgbouncer(database_url: str) -> Iterator[str]:
    """The address of a PgBouncer before this database, whose clients share `SESSIONS` sessions.

    Skips the test where PgBouncer is not installed.
    """
    if (program := shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")) is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    url, port = make_url(database_url), free_port()
    host = url.query.get("host") or url.host
    with TemporaryDirectory(prefix="pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        settings = Path(folder) / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n{url.database} = host={host} port={url.port or 5432} user={url.username}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {SESSIONS}\nmax_client_conn = 200\n"
        )
        started = subprocess.Popen([program, *_as_owner(Path(str(host))), str(settings)], stderr=subprocess.DEVNULL)
        try:
            address = f"postgresql://{url.username}@127.0.0.1:{port}/{url.database}"
            _wait_for(address)
            yield f"{address}?pgbouncer=true"
        finally:
            started.terminate()
            started.wait(10)


def _as_owner(socket_folder: Path) -> list[str]:
    """PgBouncer does not run as root, and the server's socket is for its own user."""
    return ["-u", socket_folder.owner()] if os.geteuid() == 0 else []


def _wait_for(address: str) -> None:
    ends = time.monotonic() + 20
    while True:
        with suppress(psycopg.OperationalError), psycopg.connect(address, connect_timeout=2):
            return
        assert time.monotonic() < ends, "PgBouncer did not come up"
        time.sleep(0.05)
