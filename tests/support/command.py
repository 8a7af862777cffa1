"""The command line as tests run it."""

import sys

import pytest

from app import cli


class Run:
    """Runs a command in this process, in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        self.monkeypatch.setattr(sys, "argv", ["seqrec", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        captured = self.capsys.readouterr()
        return status, captured.out, captured.err
