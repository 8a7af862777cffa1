"""Disks that are really full."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

BLOCK = 4096


class Mounted:
    """A file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, room: int = 0) -> None:
        """Leave room for so many bytes."""
        self.empty()
        with self._ballast.open("wb", buffering=0) as file:
            with suppress(OSError):  # until there is no room
                while True:
                    file.write(bytes(BLOCK))
            file.truncate(max(0, file.tell() - room))

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)


class Limited:
    """For who may not mount: no file of this process grows beyond the room that is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, room: int = 0) -> None:
        """Let no file have more bytes."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    def empty(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def small_disk(size: int) -> Iterator[Mounted | Limited]:
    """A disk of so many bytes."""
    # Not in pytest's folder, which is closed to the user whom a database's server runs as.
    with TemporaryDirectory(prefix="seqrec-disk-", ignore_cleanup_errors=True) as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
        disk = Mounted(Path(folder)) if mounted else Limited(Path(folder))
        try:
            yield disk
        finally:
            disk.empty()
            if mounted:
                subprocess.run(["umount", "--lazy", folder], check=True)
