"""Errors of the service that callers of the API never see."""

from model.errors import SeqRecError


class DatabaseError(SeqRecError):
    """The database cannot be used as it is; the message names the command that repairs it."""


class WorkerError(SeqRecError):
    """One of several processes that share a job has ended before its work was done."""
