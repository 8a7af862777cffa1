"""Sharded folders: ratings as Parquet by user, for data larger than memory."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import write_a_million_ratings
from polars.testing import assert_frame_equal

from model.data import dataset
from model.data.conversion.convert import ConversionOptions
from model.data.conversion.sharding import convert_to_shards, write_shards
from model.data.sequences import Sequences
from model.data.shards import shard_folder
from model.errors import DataError
from model.rating_scale import HALF_STARS, WHOLE_STARS


def folder_of(path: Path, ratings: list[str]) -> Path:
    """A folder of the newer sets, with three movies."""
    path.mkdir()
    (path / "movies.csv").write_text("movieId,title,genres\n1,A (1990),Drama\n2,B (1991),Comedy\n3,C (1992),Drama\n")
    (path / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *ratings]) + "\n")
    return path


def assert_same(one: Sequences, other: Sequences) -> None:
    for name in (field.name for field in fields(Sequences)):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_shards_read_back_equal_the_whole(sample_folder: Path, tmp_path: Path) -> None:
    written = write_shards(sample_folder, tmp_path / "sharded", shards=3)
    whole, read_back = dataset.read(sample_folder), dataset.read(tmp_path / "sharded")

    assert_same(Sequences.of(read_back), Sequences.of(whole))
    assert_frame_equal(read_back.movies, whole.movies)
    assert_frame_equal(read_back.users, whole.users)
    assert (read_back.name, read_back.generated, read_back.checksum) == (whole.name, whole.generated, whole.checksum)
    assert (written.users, written.ratings) == (len(whole.users), len(whole.ratings))


@pytest.mark.parametrize("name", ["movies.parquet", "shard=1/users.parquet", "shard=1/ratings.parquet"])
def test_a_file_that_is_cut_off_or_missing_is_named(sample_folder: Path, tmp_path: Path, name: str) -> None:
    write_shards(sample_folder, tmp_path / "sharded", shards=2)
    file = tmp_path / "sharded" / name

    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=f"{name} cannot be read .* Convert the data again"):
        dataset.read(tmp_path / "sharded")
    file.unlink()
    with pytest.raises(DataError, match=f"{name} cannot be read .* Convert the data again"):
        dataset.examine(tmp_path / "sharded")


def test_each_user_is_in_one_shard_with_all_ratings(sample_folder: Path, tmp_path: Path) -> None:
    write_shards(sample_folder, tmp_path / "sharded", shards=3)
    whole = dataset.read(sample_folder)

    shards = [dataset.read(tmp_path / "sharded", shards=[number]) for number in range(3)]

    assert sum(len(shard.ratings) for shard in shards) == len(whole.ratings)
    for number, shard in enumerate(shards):
        assert set(shard.users["user_id"] % 3) == {number}
        assert set(shard.ratings["user_id"]) <= set(shard.users["user_id"])
        assert_frame_equal(shard.ratings, shard.ratings.sort("user_id", "rated_at", "movie_id"))
        assert_frame_equal(shard.movies, whole.movies)  # a movie has the same index in all of them


def test_other_programs_read_all_shards_as_one_table(sample_folder: Path, tmp_path: Path) -> None:
    write_shards(sample_folder, tmp_path / "sharded", shards=2)

    together = pl.scan_parquet(tmp_path / "sharded" / "shard=*" / "ratings.parquet", hive_partitioning=True).collect()

    assert len(together) == len(dataset.read(sample_folder).ratings)
    assert set(together["shard"]) == {0, 1}


def test_all_shards_have_the_rating_scale_of_the_whole(tmp_path: Path) -> None:
    # The only half star is of a user in shard 1.
    source = folder_of(tmp_path / "mine", ["1,1,3.5,10", "2,1,4.0,10", "2,2,5.0,11", "4,3,1.0,10"])
    write_shards(source, tmp_path / "sharded", shards=2)

    assert dataset.read(tmp_path / "sharded", shards=[0]).rating_scale == HALF_STARS


def test_likes_have_whole_stars_sharded_or_not(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data", ["1,1,3.5,1", "1,2,4,2", "2,1,4.5,3", "2,3,2,4"])
    write_shards(folder, tmp_path / "sharded", shards=2)

    whole, sharded = dataset.read(folder), dataset.read(tmp_path / "sharded")

    assert whole.rating_scale == sharded.rating_scale == HALF_STARS
    assert whole.without_stars().rating_scale == sharded.without_stars().rating_scale == WHOLE_STARS


def test_a_table_of_ones_own_becomes_shards(tmp_path: Path) -> None:
    table = tmp_path / "likes.csv"
    table.write_text("user,item,rating\nann,x,10\nbob,y,7\nann,y,1\ncia,x,3\n")

    conversion, written = convert_to_shards(table, tmp_path / "sharded", 2, ConversionOptions())
    read_back = dataset.read(tmp_path / "sharded")

    assert conversion is not None
    assert (conversion.ratings, written.ratings, len(read_back.ratings)) == (4, 4, 4)
    assert set(read_back.user_external_ids.values()) == {"ann", "bob", "cia"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_bad_lines_are_refused_with_their_numbers_also_beyond_the_first_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.data.records.BATCH", 2)
    source = folder_of(tmp_path / "mine", ["1,1,3.5,10", "2,1,4.0,10", "2,2,\x014,11", "4,7,1.0,10", "4,1,1.0"])

    with pytest.raises(DataError) as refused:
        write_shards(source, tmp_path / "sharded", shards=2)

    lines = str(refused.value).splitlines()
    assert "line 4: the stars are not" in lines[0]
    assert "line 5: the movie is not in movies.csv" in lines[1]
    assert "line 6: the line does not have 4 fields" in lines[2]
    assert not (tmp_path / "sharded").exists()


def test_bad_links_are_refused_before_and_after_they_are_copied(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "mine", ["1,1,3.5,10", "2,1,4.0,10"])
    links = "movieId,imdbId,tmdbId\n1,0114709,862\n"
    (source / "links.csv").write_text(f"{links}1,0114709,862\n")
    with pytest.raises(DataError, match=r"links.csv, line 3: the movie id stands on an earlier line already"):
        write_shards(source, tmp_path / "sharded", shards=2)

    (source / "links.csv").write_text(links)
    write_shards(source, tmp_path / "sharded", shards=2)
    (tmp_path / "sharded" / "links.csv").write_text(f"{links}2,x,\n")
    with pytest.raises(DataError, match=r"links.csv, line 3: the id of IMDb is not a number"):
        dataset.read(tmp_path / "sharded")


def test_a_movie_that_a_user_has_rated_twice_is_refused(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "mine", ["1,1,3.5,10", "2,1,4.0,10", "1,1,2.0,11"])

    with pytest.raises(DataError, match=r"line 4: the user has rated this movie on another line too"):
        write_shards(source, tmp_path / "sharded", shards=2)


def test_more_shards_than_users_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ask for fewer shards"):
        write_shards(folder_of(tmp_path / "mine", ["1,1,3.5,10"]), tmp_path / "sharded", shards=2)


MEMORY_OF = """
import sys
from pathlib import Path
from model.data import dataset
from model.data.sequences import Sequences

def peak() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

before = peak()
Sequences.of(dataset.read(Path(sys.argv[1]), shards=[int(number) for number in sys.argv[2:]] or None))
print(peak() - before)
"""


def mebibytes_to_read(folder: Path, *shards: int) -> float:
    """How much the peak of memory of a new process grows while it reads these shards, or all."""
    arguments = [sys.executable, "-c", MEMORY_OF, str(folder), *map(str, shards)]
    return int(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's memory")
def test_a_shard_takes_the_memory_of_a_shard(tmp_path: Path) -> None:
    source = tmp_path / "whole"
    source.mkdir()
    write_shards(write_a_million_ratings(source), tmp_path / "sharded", shards=20)

    of_one, of_all = mebibytes_to_read(tmp_path / "sharded", 0), mebibytes_to_read(tmp_path / "sharded")

    assert len(list(shard_folder(tmp_path / "sharded", 0).iterdir())) == 2
    assert of_all > 60  # a million ratings, 28 bytes each in the table and 12 in the sequences, and what sorting takes
    assert of_one < of_all / 3
