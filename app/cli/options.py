"""Options that several commands share, and the settings and data that they name."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from app.jobs.reporter import Reporter
from app.settings import Settings
from model.errors import SettingsError
from seqrec.ids import AnyId
from seqrec.schemas.common import NamedId
from seqrec.validation import invalid_fields

if TYPE_CHECKING:
    from app.services.ids import ExternalIds, OwnIds

Device = Literal["auto", "cpu", "cuda"]
PresetName = Literal["seqrec", "seqrec-best", "seqrec-small", "seqrec-rating", "seqrec-paper", "seqrec-lstm"]
Task = Literal["rating", "ranking"]
ModelName = Literal[
    "mean",
    "movie-mean",
    "bias",
    "factorization",
    "mlp3",
    "ffnn-bert",
    "bst",
    "glocal-k",
    "gc-mc",
    "popularity",
    "item-knn",
    "seqrec-paper",
    "seqrec-lstm",
    "seqrec-rating",
    "seqrec-small",
    "seqrec",
    "seqrec-best",
]
Protocol = Literal["paper", "random", "leave-one-out", "user-split", "by-time"]
RecurrentLayer = Literal["mlstm", "lstm", "bag"]
"""These names are written here too, since the registries that have them load PyTorch; a test compares both."""


class Part(StrEnum):
    """Of the paper's experiments; Typer takes lists of enumerations, not of literals."""

    TABLE_4 = "table-4"
    TABLE_5 = "table-5"
    VARIANTS = "variants"
    OTHER_SPLITS = "other-splits"


DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of a MovieLens data set.", show_default="SEQREC_DATA, or data/ml-1m"),
]
FolderArgument = Annotated[Path, typer.Argument(help="Folder of a MovieLens data set.", metavar="DIR")]
DeviceOption = Annotated[
    Device | None, typer.Option("--device", help="Where to train and score.", show_default="SEQREC_DEVICE, or auto")
]
HostOption = Annotated[
    str | None, typer.Option("--host", help="Address to listen on.", show_default="SEQREC_HOST, or 127.0.0.1")
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=1, max=65535, help="Port to listen on.", show_default="SEQREC_PORT, or 8000")
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes that answer requests.", show_default="SEQREC_WORKERS, or 1"),
]
PresetOption = Annotated[
    PresetName | None,
    typer.Option(
        "--model",
        help="What to train; seqrec-best is better and takes longer, seqrec-small trains in minutes and is less exact.",
        show_default="any model that is there, or seqrec",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object in place of a table.")]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Continue an interrupted run of the same settings and data."),
]
TaskOption = Annotated[Task, typer.Option(help="rating: predict stars. ranking: make lists.")]
ModelOption = Annotated[
    ModelName,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="For stars: a simple baseline (mean, movie-mean, bias), the factorization of seqrec (factorization), "
        "a network (seqrec-paper, seqrec-lstm, seqrec-rating, seqrec-small, seqrec, seqrec-best), or a published "
        "baseline (mlp3, ffnn-bert, bst, glocal-k, gc-mc). For lists: popularity, item-knn, seqrec-rating (by "
        "predicted stars), seqrec-small, seqrec, seqrec-best.",
    ),
]
ProtocolOption = Annotated[
    Protocol | None,
    typer.Option(
        help="For stars: paper, users split 80/10/10, the first half of each is history; or random, ratings split "
        "90/10, every user known. For lists: leave-one-out, the last movie of each user; user-split, the movies "
        "with 4 or more stars in the second half of unseen users; or by-time, what is rated in the last tenth of all "
        "ratings, for data with real times.",
        show_default="paper for stars, leave-one-out for lists",
    ),
]
SeedsOption = Annotated[
    tuple[int, int] | None,
    typer.Option(
        "--split-seeds",
        metavar="SEED SEED",
        help="Seeds of the split.",
        show_default="2658 4769 for the protocol paper and user-split, 1234 1234 for random",
    ),
]
TrainingSeedOption = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Seed of the training of a seqrec network.", show_default="that of the model"),
]
ResultsOption = Annotated[
    Path, typer.Option(help="Folder for tables and figures; results that it has are not computed again.")
]
ReadmeOption = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="File to write a summary into, between its marks.", show_default="no file"
    ),
]
RecurrentOption = Annotated[
    RecurrentLayer | None,
    typer.Option(
        "--rnn",
        help="Recurrent layer that reads the history; bag is not recurrent.",
        show_default="that of the model",
    ),
]


def settings_with(**options: object) -> Settings:
    """The settings; the command's options take precedence over the environment."""
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [f"{_source(field.field, options)}: {field.message}" for field in invalid_fields(error.errors())]
        raise SettingsError("The settings are invalid. " + "; ".join(problems)) from error


def _source(field: str, options: Mapping[str, object]) -> str:
    """The option that gave a setting its value, or else the variable."""
    name = field.partition(".")[0]
    if options.get(name) is None:
        return f"SEQREC_{name.upper()}"
    return "--out" if name == "artifacts" else f"--{name}"


def read_id(text: str) -> AnyId:
    """The id of a user or a movie: digits are an own one, all else is external."""
    try:
        id_: AnyId = TypeAdapter(NamedId).validate_python(text)
    except ValidationError as error:
        raise SettingsError(f"{text!r} is not an id: {invalid_fields(error.errors())[0].message}.") from error
    return id_


def look_up(ids: "ExternalIds", users: Sequence[AnyId] = (), movies: Sequence[AnyId] = ()) -> "OwnIds":
    """Own ids of those that are external."""
    return ids.look_up(*([id_ for id_ in named if isinstance(id_, str)] for named in (users, movies)))


def data_folder(settings: Settings, reporter: Reporter) -> Path:
    """The data for results that people may quote: never the generated sample, unless the settings name its folder."""
    from app.jobs.datasets import download_data, find_data

    return find_data(settings) or download_data(settings, reporter)
