"""The errors of the offline package; each message says what is wrong and what to do.

SeqRecError
 ├─ DataError        a data file is missing or has a bad row
 ├─ DownloadError    the archive could not be fetched, or is not the official one
 ├─ TitleModelError  the sentence transformer's weights are not to be had, or are not the pinned ones
 ├─ CheckpointError  a training checkpoint does not fit the run that would resume from it
 └─ ArtifactError    an artifact is missing, damaged or of another format
"""


class SeqRecError(Exception):
    """Base of all errors that a user can mend; the command line prints them without a traceback."""


class DataError(SeqRecError):
    """A data file is missing or has a bad row."""


class DownloadError(SeqRecError):
    """The data archive could not be fetched, or is not the official one."""


class TitleModelError(SeqRecError):
    """The sentence transformer's weights are not to be had, or are not the pinned ones."""


class CheckpointError(SeqRecError):
    """A training checkpoint does not fit the run that would resume from it."""


class ArtifactError(SeqRecError):
    """An artifact is missing, damaged or of another format."""
