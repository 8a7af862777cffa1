"""The errors of the package `model`; each message says what is wrong and what to do.

SeqRecError
 ├─ DataError        a data file is missing or has a bad line
 ├─ DownloadError    the archive could not be downloaded, or is not the official one
 ├─ TitleModelError  a title model's weights are not available, or are not the pinned ones
 ├─ CheckpointError  a checkpoint does not fit the training that would resume from it
 ├─ DivergedError    the loss of a training is no longer a number
 ├─ TrainingProcessError  a process that trained beside another one has ended too early
 ├─ ProcessGroupError  processes that are to train together do not reach or fit each other
 ├─ ProcessLostError one of the processes that train together has ended too early
 ├─ SettingsError    a setting has an invalid value
 ├─ UnknownNameError there is no model, protocol or layer of this name
 ├─ DeviceError      the chosen device is not available
 ├─ ArtifactError    an artifact is missing, damaged or of another format
 ├─ NoStarsError     a network that learned from likes alone predicts no stars
 └─ NoRelevanceError a network that predicts stars alone cannot rank by relevance
"""

from collections.abc import Iterable
from typing import Self


class SeqRecError(Exception):
    """Base of all errors that a user can correct; the command line prints them without a traceback."""


class DataError(SeqRecError):
    """A data file is missing or has a bad line."""


class DownloadError(SeqRecError):
    """The data archive could not be downloaded, or is not the official one."""


class TitleModelError(SeqRecError):
    """A title model's weights are not available, or are not the pinned ones."""


class CheckpointError(SeqRecError):
    """A checkpoint does not fit the training that would resume from it."""


class DivergedError(SeqRecError):
    """The loss of a training is no longer a number."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"The loss is no longer a number in epoch {epoch}. Train with a smaller learning rate.")
        self.epoch = epoch

    def __reduce__(self) -> tuple[type[Self], tuple[int]]:
        return type(self), (self.epoch,)  # an exception of two processes is made anew from what it was made of


class TrainingProcessError(SeqRecError):
    """A process that trained beside another one has ended too early."""

    def __init__(self) -> None:
        super().__init__(
            "A process of the training has ended, perhaps for lack of memory. Finished epochs are saved. Start again, "
            "with OMP_NUM_THREADS=1 to train in one process alone."
        )


class ProcessGroupError(SeqRecError):
    """Processes that are to train together do not reach or fit each other."""


class ProcessLostError(SeqRecError):
    """One of the processes that train together has ended too early."""

    def __init__(self) -> None:
        super().__init__(
            "Another process of the training has ended, or its machine cannot be reached any more; what it or its "
            "launcher has printed says why. Finished epochs are saved: the same command with --resume goes on from "
            "there."
        )


class SettingsError(SeqRecError):
    """A setting has an invalid value."""


class UnknownNameError(SeqRecError):
    """There is no model, protocol or layer of this name."""

    def __init__(self, noun: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no {noun} {name!r}. Choose one of: {', '.join(known)}.")


class DeviceError(SeqRecError):
    """The chosen device is not available."""


class ArtifactError(SeqRecError):
    """An artifact is missing, damaged or of another format."""


class NoStarsError(SeqRecError):
    """A network that learned from likes alone predicts no stars."""

    def __init__(self) -> None:
        super().__init__("This model has learned from likes and predicts no stars: rank by relevance or next.")


class NoRelevanceError(SeqRecError):
    """A network that predicts stars alone cannot rank by relevance."""

    def __init__(self) -> None:
        super().__init__("This model predicts stars and no relevance: rank by rating, or train the model seqrec.")
