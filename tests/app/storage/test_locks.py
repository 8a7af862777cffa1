"""Locks between processes, each of which stands for a file."""

from pathlib import Path
from typing import IO

import pytest

from app.storage import locks


def test_a_lock_whose_file_was_deleted_just_before_is_taken_on_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, try_lock = tmp_path / "a.lock", locks._try_lock
    opened: list[IO[str]] = []

    def after_its_holder_has_deleted_it(file: IO[str], kind: int) -> bool:
        if not opened:
            path.unlink()
        opened.append(file)
        return try_lock(file, kind)

    monkeypatch.setattr(locks, "_try_lock", after_its_holder_has_deleted_it)
    with locks.lock(path, RuntimeError):
        assert len(opened) == 2
        assert locks.is_locked(path)  # whoever comes now opens this file
        with pytest.raises(RuntimeError), locks.lock(path, RuntimeError):
            pass
