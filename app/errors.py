"""The errors of the service that no caller of the API ever sees."""

from model.errors import SeqRecError


class DatabaseError(SeqRecError):
    """The database cannot be used as it is; the message says which command mends it."""
