"""What a data set holds, for the terminal."""

from datetime import UTC, datetime

import polars as pl
from rich.markup import escape
from rich.table import Table

from app.cli.console import output
from model.data.dataset import MovieLens
from model.data.summary import Imbalance, Spread, measure_imbalance

BAR_WIDTH = 40
"""Of the longest bar, in characters."""


def print_description(data: MovieLens) -> None:
    """Size, time span, ratings of a user and of a movie, and the spread of stars and genres."""
    found = measure_imbalance(data)
    output.print(_facts(data, found))
    output.print()
    output.print(_spreads(found))
    output.print()
    stars = {f"{level:g}": count for level, count in zip(found.levels, found.stars, strict=True)}
    output.print(_bars("stars", "ratings", stars))
    output.print()
    output.print(_bars("genre", "movies", _genres(data)))


def _facts(data: MovieLens, found: Imbalance) -> Table:
    table = Table.grid(padding=(0, 2))
    span = data.ratings.select(first=pl.col("rated_at").min(), last=pl.col("rated_at").max())
    first, last = map(_day, span.row(0))
    facts = {
        "name": data.name + (" (generated)" if data.generated else ""),
        "users": f"{len(data.users):,}, {_profiles(data)}",
        "movies": f"{found.listed_movies:,}, {found.movies:,} of them rated",
        "ratings": f"{found.ratings:,} from {first} to {last}",
        "density": f"{found.density:.2%} of all pairs of a user and a rated movie",
    }
    for name, fact in facts.items():
        table.add_row(name, escape(fact))
    return table


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _profiles(data: MovieLens) -> str:
    known = data.users.select(pl.any_horizontal(pl.col("gender", "age", "occupation").is_not_null()).any()).item()
    return "profiles known" if known else "profiles unknown"


def _spreads(found: Imbalance) -> Table:
    table = _table("ratings", "min", "median", "mean", "max")
    spreads: dict[str, Spread] = {"of a user": found.per_user, "of a rated movie": found.per_movie}
    for name, spread in spreads.items():
        table.add_row(
            name, f"{spread.minimum:,}", f"{spread.median:,.5g}", f"{spread.mean:,.1f}", f"{spread.maximum:,}"
        )
    return table


def _genres(data: MovieLens) -> dict[str, int]:
    """Movies of each genre, the most frequent first, and at the end those without any."""
    named = (
        data.movies["genres"].explode().drop_nulls().value_counts().sort("count", "genres", descending=[True, False])
    )
    without = int((data.movies["genres"].list.len() == 0).sum())
    return dict(named.rows()) | ({"none": without} if without else {})


def _bars(name: str, counted: str, counts: dict[str, int]) -> Table:
    """A line a count, with its bar; any that is not zero shows at least a sliver."""
    table = _table(name, counted, "")
    largest = max(counts.values(), default=1)
    for label, count in counts.items():
        table.add_row(escape(label), f"{count:,}", "█" * round(BAR_WIDTH * count / largest) or "▏" * (count > 0))
    return table


def _table(name: str, *columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(name)
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    return table
