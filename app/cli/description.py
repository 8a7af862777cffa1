"""What ``seqrec data describe``, ``convert`` and ``repair`` print of a data set."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic import BaseModel

from app.cli.console import output
from app.cli.tables import plain_table, print_bars, print_facts
from model.data.conversion.convert import Conversion
from model.data.dataset import MovieLens
from model.data.repair import Repair
from model.data.shards import Shards
from model.data.summary import Imbalance, measure_imbalance

BAR_WIDTH = 40
"""Characters of the longest bar."""


class Description(BaseModel):
    """A data set in numbers.

    Attributes:
        users: all of them, with or without ratings.
        profiles_known: whether any user has a gender, age or occupation.
        oldest, newest: times of ratings, in Unix seconds.
        ratings: how they spread over users, movies and stars.
        genres: movies of each genre, the most frequent first.
        without_genre: movies of no genre.
        has_stars: False if the ratings are likes.
    """

    name: str
    generated: bool
    users: int
    profiles_known: bool
    oldest: int
    newest: int
    ratings: Imbalance
    genres: dict[str, int]
    without_genre: int
    has_stars: bool


def describe(data: MovieLens) -> Description:
    genres = data.movies["genres"].explode().drop_nulls().value_counts()
    known = data.users.select(pl.any_horizontal(pl.col("gender", "age", "occupation").is_not_null()).any()).item()
    oldest, newest = data.ratings.select(pl.col("rated_at").min(), newest=pl.col("rated_at").max()).row(0)
    return Description(
        name=data.name,
        generated=data.generated,
        users=len(data.users),
        profiles_known=bool(known),
        oldest=oldest,
        newest=newest,
        ratings=measure_imbalance(data),
        genres=dict(genres.sort("count", "genres", descending=[True, False]).rows()),
        without_genre=int((data.movies["genres"].list.len() == 0).sum()),
        has_stars=data.has_stars,
    )


def print_description(description: Description) -> None:
    """Size, time span, ratings of a user and of a movie, and the distributions of stars and genres."""
    ratings = description.ratings
    print_facts(_facts(description))
    output.print()
    _print_spreads(ratings)
    output.print()
    if description.has_stars:
        stars = {f"{step:g}": count for step, count in zip(ratings.levels, ratings.stars, strict=True)}
        print_bars("stars", "ratings", stars, BAR_WIDTH)
        output.print()
    without = {"none": description.without_genre} if description.without_genre else {}
    print_bars("genre", "movies", {**description.genres, **without}, BAR_WIDTH)


def _facts(description: Description) -> dict[str, str]:
    ratings = description.ratings
    profiles = "known" if description.profiles_known else "unknown"
    return {
        "name": description.name + (" (generated)" if description.generated else ""),
        "users": f"{description.users:,}, profiles {profiles}",
        "movies": f"{ratings.listed_movies:,}, {ratings.movies:,} of them rated",
        "ratings": f"{ratings.ratings:,} from {_format_day(description.oldest)} to {_format_day(description.newest)}",
        "density": f"{ratings.density:.2%} of all pairs of a user and a rated movie",
    }


def _format_day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _print_spreads(ratings: Imbalance) -> None:
    table = plain_table("ratings", "min", "median", "mean", "max")
    for name, spread in {"of a user": ratings.per_user, "of a rated movie": ratings.per_movie}.items():
        table.add_row(
            name, f"{spread.minimum:,}", f"{spread.median:,.5g}", f"{spread.mean:,.1f}", f"{spread.maximum:,}"
        )
    output.print(table)


def print_conversion(conversion: Conversion) -> None:
    """How the source was understood, and what came of it."""
    facts = {
        "ratings from": f"{conversion.table} ({_format_columns(conversion.columns)})",
        "titles from": f"{conversion.items_table} ({_format_columns(conversion.item_columns)})"
        if conversion.items_table
        else "none: the ids are the titles",
        "ratings": conversion.ratings_as,
        "times": conversion.times_as,
        "user ids": conversion.user_ids_as,
        "movie ids": conversion.movie_ids_as,
        "written": f"{conversion.users:,} users, {conversion.movies:,} movies ({conversion.titled:,} with a title), "
        f"{conversion.ratings:,} ratings",
        "replaced": f"{conversion.replaced:,} ratings by a later one of the same user and item",
    }
    left_out = [("left out", f"{one}; first row {one.first_row:,}") for one in conversion.left_out]
    print_facts([*facts.items(), *left_out])


def print_shards(written: Shards) -> None:
    """What a sharded folder holds."""
    content = f"{written.users:,} users, {written.movies:,} movies, {written.ratings:,} ratings"
    print_facts([("shards", f"{written.shards:,} with {content} together")])


def print_next(users: int, out: Path) -> None:
    """What to run on a folder with so many users, or why it cannot be trained on."""
    from model.data.splits import FEWEST_USERS  # loads scikit-learn, which `data describe` does not need

    if users < FEWEST_USERS:
        output.print(f"Training takes at least {FEWEST_USERS} users.")
    else:
        output.print(f"Next: seqrec up --data {out}", markup=False, soft_wrap=True)


def _format_columns(columns: Mapping[str, str]) -> str:
    return ", ".join(role if role == column else f"{role}: {column}" for role, column in columns.items())


def print_repair(repaired: Repair, out: Path) -> None:
    """How many lines are not in the copy, and why."""
    dropped = [(f"{count:,}", f"dropped: {complaint}") for complaint, count in repaired.dropped.items()]
    others = {"replaced by the user's later rating of the movie": repaired.replaced, "movies added": repaired.added}
    print_facts([*dropped, *((f"{count:,}", what) for what, count in others.items() if count)])
    output.print(f"Written: {out}", markup=False, soft_wrap=True)
