"""The command that imports what a user has rated on another site."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, look_up, read_id, settings_with
from model.errors import SettingsError
from seqrec.ids import AnyId

if TYPE_CHECKING:
    from app.services.rating_import.formats import RatedTitle
    from app.services.rating_import.importing import DoubtfulRating, Preview

commands = typer.Typer()

STANDARD_INPUT = "<stdin>"
"""The name that Python gives it."""


@commands.command("import-ratings")
def import_ratings(
    user: Annotated[
        str,
        typer.Argument(
            help="A user of the database; digits are an own id, all else an external one.", metavar="USER_ID"
        ),
    ],
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(
            help="Export of Letterboxd (archive or ratings.csv), IMDb, Trakt or MovieLens, or any CSV with title, year "
            "and rating; - for standard input, with --yes or --json.",
            metavar="FILE",
        ),
    ],
    choose: Annotated[
        list[str] | None,
        typer.Option(
            help="A movie for a row in doubt, by own or external id, as in 12=260; may be repeated.",
            metavar="ROW=MOVIE_ID",
            show_default="none",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import what a user has rated on another site: prints what was understood, and asks before it writes.

    With --json nothing is asked, and nothing is written without --yes.
    """
    from app.api import translation
    from app.cli.console import say
    from app.cli.preview import print_preview
    from app.jobs.maintenance import open_rating_import
    from app.services.ids import ExternalIds

    if file.name == STANDARD_INPUT and not (yes or as_json):
        raise SettingsError("What comes from standard input cannot be asked about: add --yes, or name a file.")
    named = read_id(user)
    with open_rating_import(settings_with()) as rating_import:
        (user_id,) = look_up(ExternalIds(rating_import.database), [named]).of_users([named])
        preview = rating_import.preview(user_id, file.read(), file.name)
        chosen = _with_chosen(choose or [], preview)
        if as_json:
            written = rating_import.write(user_id, chosen) if yes else 0
            typer.echo(translation.imported(user_id, preview, written).model_dump_json())
            return
        print_preview(preview)
        if not chosen:
            say("There is nothing to write.")
        elif yes or typer.confirm(f"Write {len(chosen):,} ratings?", err=True):
            say(f"{rating_import.write(user_id, chosen):,} ratings written")


def _with_chosen(texts: list[str], preview: "Preview") -> list[tuple[int, "RatedTitle"]]:
    """What is to be written, in the order of the rows, of two rows for one movie the later: matched ones and chosen."""
    rows = {entry.given.row: (entry.movie.id, entry.given) for entry in preview.matched} | _chosen(texts, preview)
    row_of_movie = {rows[row][0]: row for row in sorted(rows)}
    return [rows[row] for row in sorted(row_of_movie.values())]


def _chosen(texts: list[str], preview: "Preview") -> dict[int, tuple[int, "RatedTitle"]]:
    """By row, movies that were chosen for rows in doubt; of two choices for one row, the later."""
    doubtful = {str(entry.given.row): entry for entry in preview.doubtful}
    chosen = {}
    for text in texts:
        row, _, movie = text.partition("=")
        entry = doubtful.get(row)
        movie_id = _candidate(entry, read_id(movie)) if entry and movie else None
        if entry is None or movie_id is None:
            raise SettingsError(
                f"{text!r} is not a choice: give the row of a doubtful title and one of its candidates."
            )
        chosen[entry.given.row] = movie_id, entry.given
    return chosen


def _candidate(entry: "DoubtfulRating", named: AnyId) -> int | None:
    """The own id of the candidate of this own or external id; None if there is none."""
    movies = (candidate.movie for candidate in entry.candidates)
    return next((movie.id for movie in movies if named in (movie.id, movie.external_id)), None)
