import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model.files import atomic_folder, atomic_write, sha256


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_and_raise(path: Path, error: type[BaseException]) -> None:
    path.write_text("half of the n")
    raise error


def test_a_write_replaces_the_old_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ratings.jsonl"
    for text in ("old", "new"):
        with atomic_write(path) as temporary:
            temporary.write_text(text)

    assert path.read_text() == "new"
    assert names(path.parent) == ["ratings.jsonl"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text("old")

    with pytest.raises(error), atomic_write(path) as temporary:
        write_and_raise(temporary, error)

    assert path.read_text() == "old"
    assert names(tmp_path) == ["ratings.jsonl"]


def test_an_interrupted_folder_leaves_the_old_one_and_no_temporary_one(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    with atomic_folder(folder) as temporary:
        (temporary / "users.dat").write_text("old")

    with pytest.raises(KeyboardInterrupt), atomic_folder(folder, replace=True) as temporary:
        write_and_raise(temporary / "users.dat", KeyboardInterrupt)

    assert (folder / "users.dat").read_text() == "old"
    assert names(tmp_path) == ["sample"]


def test_a_folder_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    with atomic_folder(folder) as temporary:
        (temporary / "old.json").touch()

    with pytest.raises(FileExistsError, match="exists already"), atomic_folder(folder):
        pass
    with atomic_folder(folder, replace=True) as temporary:
        (temporary / "new.json").touch()

    assert names(folder) == ["new.json"]
    assert names(tmp_path) == ["artifact"]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each file and folder that the disk was asked to hold, in order."""
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
    )
    return synced


def test_file_and_folder_are_on_disk_before_and_after_the_rename(tmp_path: Path, synced: list[str]) -> None:
    with atomic_write(tmp_path / "card.json") as temporary:
        temporary.write_text("{}")

    assert synced == [temporary.name, tmp_path.name]


def test_each_file_of_a_folder_is_on_disk_before_the_rename(tmp_path: Path, synced: list[str]) -> None:
    with atomic_folder(tmp_path / "artifact") as temporary:
        (temporary / "card.json").write_text("{}")
        (temporary / "network.json").write_text("{}")

    assert sorted(synced[:2]) == ["card.json", "network.json"]
    assert synced[2:] == [temporary.name, tmp_path.name]


def test_the_checksum_is_that_of_the_content_and_reads_it_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    content = os.urandom(3_000_000)
    path.write_bytes(content)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read into memory whole"))

    assert sha256(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_whom_the_umask_lets_read_can_read_every_file_of_a_folder(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_folder(tmp_path / "artifact") as temporary:
            save_file({"weights": torch.zeros(1)}, temporary / "weights.safetensors")
            (temporary / "card.json").touch()
    finally:
        os.umask(before)

    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "artifact").iterdir()} == {mode}
