"""Errors of the service that callers of the API never see."""

from pathlib import Path

from model.errors import SeqRecError


class DatabaseError(SeqRecError):
    """The database cannot be used as it is; the message names the command that repairs it."""


class ArchiveError(SeqRecError):
    """A file is not a backup that can be restored; the message says what is wrong with it."""


class WorkerError(SeqRecError):
    """One of several processes that share a job has ended before its work was done."""


class TrainingBusy(SeqRecError):
    """Another process trains into the same folder."""

    def __init__(self, artifacts: Path, process: str) -> None:
        super().__init__(
            f"Process {process} trains into {artifacts} already. Wait for it, stop it, or name another folder "
            "(SEQREC_ARTIFACTS)."
        )


class RetrainingBusy(SeqRecError):
    """Another process, here or on another machine, retrains on the same database."""

    def __init__(self) -> None:
        super().__init__("Another process is retraining on this database. Wait for it: seqrec model history")


class RetrainingLost(SeqRecError):
    """The process of a round gave no sign of life for so long that another round has begun."""

    def __init__(self) -> None:
        super().__init__("Another round of retraining has begun, as if this one were dead. Its model is set aside.")


class DatabaseBusy(SeqRecError):
    """Another process writes many rows into the same SQLite database."""

    def __init__(self, url: str, process: str) -> None:
        super().__init__(f"Process {process} fills {url} already. Wait for it, then run the command again.")


class ListsBusy(SeqRecError):
    """Another process writes lists into the same file or folder."""

    def __init__(self, out: Path, process: str) -> None:
        super().__init__(f"Process {process} writes {out} already. Wait for it, or choose another name.")


class DataBusy(SeqRecError):
    """Another process fetches or generates data in the same folder."""

    def __init__(self, folder: Path, process: str) -> None:
        super().__init__(f"Process {process} puts data into {folder} already. Wait for it, then run the command again.")
