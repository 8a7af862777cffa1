"""SIGTERM, as from systemd, Kubernetes or `timeout`, ends a command as Ctrl-C does."""

import signal
import subprocess
import sys
from pathlib import Path

from command import Run

BACKUP_THAT_IS_TOLD_TO_END = """
import os, signal, sys
from app.cli import main
from app.jobs.transfer import backup

def read(connection, table, rows=backup.read):
    yield from rows(connection, table)
    os.kill(os.getpid(), signal.SIGTERM)

backup.read = read
sys.argv = ["seqrec", "backup", "file"]
main()
"""


def test_a_command_that_is_told_to_end_removes_what_is_half_done_and_ends_by_the_signal(
    filled: Run, tmp_path: Path
) -> None:
    before = {path.name for path in tmp_path.iterdir()}

    ended = subprocess.run(
        [sys.executable, "-c", BACKUP_THAT_IS_TOLD_TO_END], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == before
