"""How a job tells its caller what happens."""

from typing import Protocol


class Reporter(Protocol):
    """Callbacks of a job; the command line prints them."""

    def message(self, text: str) -> None:
        """Something has happened that the user should know."""

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        """``done`` of ``total`` steps of a stage are done; ``total`` is None while it is unknown."""
