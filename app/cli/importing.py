"""The command that imports what a user has rated on another site."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, settings_with
from model.errors import SettingsError

if TYPE_CHECKING:
    from app.services.taste.formats import RatedTitle
    from app.services.taste.importing import Preview

commands = typer.Typer()


@commands.command("import-ratings")
def import_ratings(
    user_id: Annotated[int, typer.Argument(min=1, help="A user of the database.", metavar="USER_ID")],
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(
            help="Export of Letterboxd (archive or ratings.csv), IMDb, Trakt or MovieLens, or any CSV with title, year "
            "and rating; - for standard input.",
            metavar="FILE",
        ),
    ],
    choose: Annotated[
        list[str] | None,
        typer.Option(
            help="A movie for a row in doubt, as in 12=260; may be repeated.",
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
    from app.jobs.maintenance import open_taste

    with open_taste(settings_with()) as taste:
        preview = taste.preview(user_id, file.read(), file.name)
        chosen = [(entry.movie.id, entry.given) for entry in preview.matched] + _chosen(choose or [], preview)
        if as_json:
            written = taste.write(user_id, chosen) if yes else 0
            typer.echo(translation.imported(user_id, preview, written).model_dump_json())
            return
        print_preview(preview)
        if not chosen:
            say("There is nothing to write.")
        elif yes or typer.confirm(f"Write {len(chosen):,} ratings?", err=True):
            say(f"{taste.write(user_id, chosen):,} ratings written")


def _chosen(texts: list[str], preview: "Preview") -> list[tuple[int, "RatedTitle"]]:
    """Movies that were chosen for rows in doubt."""
    doubtful = {entry.given.row: entry for entry in preview.doubtful}
    chosen = []
    for text in texts:
        row, _, movie_id = text.partition("=")
        entry = doubtful.get(int(row)) if row.isdecimal() else None
        if entry is None or movie_id not in {str(candidate.movie.id) for candidate in entry.candidates}:
            raise SettingsError(f"{text!r} is no choice: give the row of a title in doubt and one of its candidates.")
        chosen.append((int(movie_id), entry.given))
    return chosen
