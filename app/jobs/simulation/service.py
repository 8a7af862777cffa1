"""A service of its own: a server process and commands, in a folder that nothing else uses."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from model.errors import SeqRecError
from seqrec.client import Client
from seqrec.errors import NotReady, Unreachable

COMMAND = (sys.executable, "-c", "from seqrec.command import main; main()")
SECONDS_TO_START = 120
SECONDS_TO_STOP = 15
SECONDS_TO_FOLLOW = 60


class Service:
    """A service in a folder: its database, its models and its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        self.port = _free_port()

    def run(self, *arguments: object) -> None:
        """Run a command of `seqrec`; `SeqRecError` with its last words if it fails. An interruption ends it too."""
        with self._running(*map(str, arguments)) as process:
            status = process.wait()
        if status:
            raise SeqRecError(f"seqrec {' '.join(map(str, arguments))} has failed: {self._last_words()}")

    @contextmanager
    def serving(self) -> Iterator[Client]:
        """A client of the service, while its server process runs."""
        with (
            self._running("serve", "--port", str(self.port)) as process,
            Client(f"http://127.0.0.1:{self.port}", timeout=300) as client,
        ):
            self._wait_until_ready(process, client)
            yield client

    def retrain(self, client: Client) -> None:
        """One round of retraining; returns when the server process serves what came of it."""
        self.run("retrain")
        deadline = time.monotonic() + SECONDS_TO_FOLLOW
        while client.model().version != client.models().history[0].version:
            if time.monotonic() > deadline:
                raise SeqRecError(f"The service does not follow its retraining: {self._last_words()}")
            time.sleep(0.1)

    def copy(self, folder: Path) -> "Service":
        """The same database and models in another folder; while this one does not serve."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns(self.log.name))
        return Service(folder)

    @contextmanager
    def _running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process that ends with the block, also if an interruption comes while it starts."""
        with self.log.open("ab") as log, ExitStack() as ending:
            with _interruptions_held():
                process = self._start(*arguments, log=log.fileno())
                ending.callback(_stop, process)
            yield process

    def _start(self, *arguments: str, log: int) -> subprocess.Popen[bytes]:
        others = {name: value for name, value in os.environ.items() if not name.startswith("SEQREC_")}
        settings = {
            "SEQREC_DATABASE_URL": f"sqlite:///{self.folder / 'seqrec.db'}",
            "SEQREC_ARTIFACTS": str(self.folder / "artifacts"),
            "SEQREC_SQLITE_SYNCHRONOUS": "NORMAL",
            "SEQREC_DRAIN_TIME": "0",
            "SEQREC_LOG_LEVEL": "WARNING",
            "SEQREC_DEVICE": "cpu",
        }
        path = os.pathsep.join([str(Path(__file__).parents[3]), others.get("PYTHONPATH", "")])
        # A session of its own: Ctrl-C reaches this process alone, which ends its children one after the other.
        return subprocess.Popen(  # noqa: S603 - this program itself
            [*COMMAND, *arguments],
            env=others | settings | {"PYTHONPATH": path},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes], client: Client) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                client.model()
            except (NotReady, Unreachable) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SeqRecError(f"The service does not start: {self._last_words()}") from error
                time.sleep(0.2)
            else:
                return

    def _last_words(self) -> str:
        """The last error in the log, or else its last line."""
        said = self.log.read_text(errors="replace").strip()
        _, error, after = said.rpartition("Error: ")
        return after if error else said.rpartition("\n")[2]


@contextmanager
def _interruptions_held() -> Iterator[None]:
    """What comes within the block interrupts at its end; to be used in the main thread.

    A handler, and not a mask of signals, which a process that is started would inherit.
    """
    came: list[int] = []
    before = {one: signal.signal(one, lambda which, _: came.append(which)) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if came:
        signal.raise_signal(came[0])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
