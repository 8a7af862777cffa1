"""Users whose tastes are known: their ratings of a MovieLens folder, in the order in which they gave them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from model.data import dataset
from model.data.formats import ML_1M, format_of
from model.errors import DataError
from model.features.users import Profile
from model.files import atomic_folder

KNOWN = 10
"""Ratings that a newcomer gives before the first list."""

SESSIONS = 3
"""Lists that a newcomer asks for."""

FOUND = 10
"""Movies that a user finds without a list, and rates, after each."""

FEWEST = KNOWN + SESSIONS * FOUND
"""Ratings of those who play: the tastes of others are hardly known."""

BEGUN = FEWEST - FOUND
"""Ratings of the first users that the first model is trained on; it is retrained once on those up to `FEWEST`."""


class Player(NamedTuple):
    """A user, and the stars that the user gives by movie id, in the order in which the user gave them."""

    user_id: int
    profile: Profile
    tastes: dict[int, float]

    def between(self, start: int, end: int) -> dict[int, float]:
        """The ratings from this one on, up to that one, in their order."""
        return dict(list(self.tastes.items())[start:end])


class Cast(NamedTuple):
    """Those whom the first model learns from, and those who come in each round; in the order in which they came."""

    first: list[Player]
    rounds: list[list[Player]]


def cast(folder: Path, rounds: int, users: int) -> Cast:
    """``users`` first ones, and as many newcomers in each round; `DataError` if the folder has too few."""
    if format_of(folder) is not ML_1M:
        raise DataError(f"{folder} has not the form of MovieLens 1M, with a file of users. Name a folder that has.")
    players = list(_players(dataset.read(folder)))
    if len(players) < users * (rounds + 1):
        raise DataError(
            f"{len(players):,} users have rated {FEWEST} movies or more, and {users * (rounds + 1):,} are needed. Ask "
            f"for fewer --users or --rounds."
        )
    groups = [players[start : start + users] for start in range(0, users * (rounds + 1), users)]
    return Cast(groups[0], groups[1:])


def _players(data: dataset.MovieLens) -> Iterator[Player]:
    """Those who have rated enough, in the order of their first ratings."""
    profiles = {row[0]: Profile(*row[1:]) for row in data.users.select("user_id", "gender", "age", "occupation").rows()}
    tastes = (
        data.ratings.sample(fraction=1.0, shuffle=True, seed=0)  # ratings of one second in an order that says nothing
        .sort("rated_at", maintain_order=True)
        .group_by("user_id", maintain_order=True)
        .agg("movie_id", "stars")
        .filter(pl.col("movie_id").list.len() >= FEWEST)
    )
    for user_id, movie_ids, stars in tastes.rows():
        yield Player(user_id, profiles[user_id], dict(zip(movie_ids, stars, strict=True)))


def write_first(players: Sequence[Player], source: Path, folder: Path) -> None:
    """A folder with all movies of the source, these users and their first `BEGUN` ratings; times are kept."""
    kept = {(b"%d" % player.user_id, b"%d" % movie_id) for player in players for movie_id in player.between(0, BEGUN)}
    users = {user for user, _ in kept}
    with atomic_folder(folder) as temporary:
        for file in ML_1M.record_files:
            lines = (source / file.name).read_bytes().splitlines(keepends=True)
            if file is ML_1M.users:
                lines = [line for line in lines if line.split(b"::")[0] in users]
            elif file is ML_1M.ratings:
                lines = [line for line in lines if tuple(line.split(b"::")[:2]) in kept]
            (temporary / file.name).write_bytes(b"".join(lines))
