"""The errors of the offline package; each message says what is wrong and what to do.

SeqRecError
 ├─ DataError        a data file is missing or has a bad row
 ├─ DownloadError    the archive could not be fetched, or is not the official one
 ├─ TitleModelError  a title model's weights are not to be had, or are not the pinned ones
 ├─ CheckpointError  a training checkpoint does not fit the run that would resume from it
 ├─ DivergedError    the loss of a training is no longer a number
 ├─ SettingsError    a setting has a value that it cannot have
 ├─ UnknownNameError there is no model, protocol or layer of this name
 ├─ DeviceError      the chosen device is not there
 └─ ArtifactError    an artifact is missing, damaged or of another format
"""

from collections.abc import Iterable


class SeqRecError(Exception):
    """Base of all errors that a user can mend; the command line prints them without a traceback."""


class DataError(SeqRecError):
    """A data file is missing or has a bad row."""


class DownloadError(SeqRecError):
    """The data archive could not be fetched, or is not the official one."""


class TitleModelError(SeqRecError):
    """A title model's weights are not to be had, or are not the pinned ones."""


class CheckpointError(SeqRecError):
    """A training checkpoint does not fit the run that would resume from it."""


class DivergedError(SeqRecError):
    """The loss of a training is no longer a number."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"The loss is no longer a number in epoch {epoch}. Train with a smaller learning rate.")


class SettingsError(SeqRecError):
    """A setting has a value that it cannot have."""


class UnknownNameError(SeqRecError):
    """There is no model, protocol or layer of this name."""

    def __init__(self, noun: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no {noun} {name!r}. Choose one of: {', '.join(known)}.")


class DeviceError(SeqRecError):
    """The chosen device is not there."""


class ArtifactError(SeqRecError):
    """An artifact is missing, damaged or of another format."""


class NoRelevanceError(SeqRecError):
    """Lists by relevance are asked of a network that predicts stars alone."""

    def __init__(self) -> None:
        super().__init__("This model predicts stars and no relevance: rank by rating, or train the model seqrec.")
