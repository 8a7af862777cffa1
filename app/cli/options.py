"""What several commands have in common: their options, and the settings and data that these name."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.settings import Settings
from model.errors import SettingsError

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of a MovieLens data set. [SEQREC_DATA, or data/ml-1m]"),
]
FolderArgument = Annotated[Path, typer.Argument(help="Folder of a MovieLens data set.", metavar="DIR")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda. [SEQREC_DEVICE]")]
HostOption = Annotated[str | None, typer.Option("--host", help="Address to listen on. [SEQREC_HOST]")]
PortOption = Annotated[int | None, typer.Option("--port", help="Port to listen on. [SEQREC_PORT]")]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="What to train: seqrec, or seqrec-small for a quick look, a smaller network that is trained in a tenth of "
        "the time and is less exact. Without it, a model of any kind that is there is kept, and else seqrec trained.",
        show_default=False,
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an interrupted run of the same settings and data stopped."),
]
TaskOption = Annotated[str, typer.Option(help="rating: predict stars. ranking: make lists.")]
ModelOption = Annotated[
    str,
    typer.Option(
        help="Of stars: a baseline (mean, movie-mean, bias), a network (seqrec-paper, seqrec-lstm, seqrec-rating, "
        "seqrec-small, seqrec), or a published rival (mlp3, ffnn-bert, bst, glocal-k, gc-mc). "
        "Of lists: popularity, item-knn, seqrec-rating (by predicted stars), seqrec-small, seqrec."
    ),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        help="Of stars: paper, users split 80/10/10, the first half of each is history; or random, ratings split "
        "90/10, every user known. Of lists: leave-one-out, the last movie of each user; or user-split, the liked "
        "movies of the second half of unseen users. [paper, or leave-one-out]",
        show_default=False,
    ),
]
ResultsOption = Annotated[Path, typer.Option(help="Folder for tables and figures; what is in it is not run again.")]
ReadmeOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="File to put a summary into, between its marks."),
]
RecurrentOption = Annotated[
    str | None,
    typer.Option(
        "--rnn", help="What reads the history in place of the model's own: mlstm, lstm, or bag, which is no recurrence."
    ),
]


def settings_with(**options: object) -> Settings:
    """The settings, with the command's options before the environment."""
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [f"SEQREC_{problem['loc'][0]!s}".upper() + f": {problem['msg']}" for problem in error.errors()]
        raise SettingsError("The settings are invalid. " + "; ".join(problems)) from error


def data_folder(settings: Settings) -> Path:
    """For results that someone will quote: never the generated sample, unless it is asked for by its folder."""
    from app.jobs.prepare import download_data, find_data

    return settings.data or find_data(settings) or download_data(settings)
