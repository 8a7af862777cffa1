"""Prints what an import would write."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from app.cli.console import output
from app.cli.tables import print_facts
from app.services.rating_import.formats import RatedTitle
from app.services.rating_import.importing import DoubtfulRating, MatchedRating, Preview
from app.storage.movies import MovieRecord

MOST_SHOWN = 20
"""Rows of each kind; --json has them all."""

NUMBERS = {"row", "rating", "stars"}
"""Columns of numbers."""

SOURCES = {
    "letterboxd": "Letterboxd",
    "imdb": "IMDb",
    "trakt": "Trakt",
    "movielens": "MovieLens",
    "table": "a table of titles and ratings",
}


def print_preview(preview: Preview) -> None:
    """What the file holds, and which movies its titles are taken for."""
    _print_counts(preview)
    _print_rows("Found", [_matched_row(entry) for entry in preview.matched], ("title", "rating", "stars", "movie"))
    _print_rows("In doubt", [_doubtful_row(entry) for entry in preview.doubtful], ("row", "title", "stars", "perhaps"))
    _print_rows("Not found", [(_title(given), f"{given.stars:g}") for given in preview.not_found], ("title", "stars"))


def _print_counts(preview: Preview) -> None:
    export = preview.export
    scale = "0.5 to 5 stars, as they are" if export.best == 5 else f"up to {export.best:g}, become 0.5 to 5 stars"
    replaced = sum(entry.own_stars is not None for entry in preview.matched)
    left_out = {
        "watched, not rated": len(export.watched),
        "on a watch list": len(export.watchlist),
        "series, episodes, games": export.no_movies,
        "repeated": preview.repeated,
        "unreadable": export.unreadable,
    }
    facts = {
        "file": SOURCES[export.source],
        "ratings": scale,
        "found": f"{len(preview.matched):,}" + (f", of which {replaced:,} replace a rating" if replaced else ""),
        "in doubt": f"{len(preview.doubtful):,}",
        "not found": f"{len(preview.not_found):,}",
        **{f"left out: {what}": f"{count:,}" for what, count in left_out.items() if count},
    }
    print_facts(facts)


def _print_rows(heading: str, rows: Sequence[tuple[str, ...]], columns: Sequence[str]) -> None:
    if not rows:
        return
    output.print()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left")
    for row in rows[:MOST_SHOWN]:
        table.add_row(*row)
    output.print(f"[bold]{heading}[/bold]")
    output.print(table)
    if len(rows) > MOST_SHOWN:
        output.print(f"and {len(rows) - MOST_SHOWN:,} more")


def _matched_row(entry: MatchedRating) -> tuple[str, ...]:
    return _title(entry.given), f"{entry.given.given:g}", f"{entry.given.stars:g}", _movie(entry.movie)


def _doubtful_row(entry: DoubtfulRating) -> tuple[str, ...]:
    candidates = "\n".join(f"{candidate.movie.id} {_movie(candidate.movie)}" for candidate in entry.candidates)
    return str(entry.given.row), _title(entry.given), f"{entry.given.stars:g}", candidates


def _title(given: RatedTitle) -> str:
    name = given.title or given.imdb_id or f"TMDB {given.tmdb_id}"
    return escape(f"{name} ({given.year})" if given.year else name)


def _movie(movie: MovieRecord) -> str:
    return escape(f"{movie.display_title} ({movie.year})" if movie.year else movie.display_title)
