"""The command ``seqrec``. Imports what trains only in the commands that train."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError

from app.settings import Settings
from model.errors import SeqRecError, SettingsError

if TYPE_CHECKING:
    from model.features import Rated
    from model.stars import StarLevels

app = typer.Typer(
    help="SeqRec: predicts ratings and recommends movies, from the ratings that users gave.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
db = typer.Typer(help="The service's database.", no_args_is_help=True)
data = typer.Typer(help="MovieLens data.", no_args_is_help=True)
experiments = typer.Typer(help="Experiments that reproduce published results.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(data, name="data")
app.add_typer(experiments, name="experiments")

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of a MovieLens data set. [SEQREC_DATA, or data/ml-1m]"),
]
FolderArgument = Annotated[Path, typer.Argument(help="Folder of a MovieLens data set.", metavar="DIR")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda. [SEQREC_DEVICE]")]
HostOption = Annotated[str | None, typer.Option("--host", help="Address to listen on. [SEQREC_HOST]")]
PortOption = Annotated[int | None, typer.Option("--port", help="Port to listen on. [SEQREC_PORT]")]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an interrupted run of the same settings and data stopped."),
]
TaskOption = Annotated[str, typer.Option(help="rating: predict stars. ranking: make lists.")]
ModelOption = Annotated[
    str,
    typer.Option(
        help="Of stars: a baseline (mean, movie-mean, bias), a network (seqrec-paper, seqrec-lstm, seqrec-rating, "
        "seqrec), or a published rival (mlp3, ffnn-bert, bst, glocal-k, gc-mc). "
        "Of lists: popularity, item-knn, seqrec-rating (by predicted stars), seqrec."
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


@app.command()
def up(data: DataOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Get data, train, fill the database, serve; skips what is done before."""
    from app.main import require_free_port
    from app.prepare import prepare

    settings = _settings(data=data, host=host, port=port)
    require_free_port(settings)  # now, not after the training
    prepare(settings)
    _serve(settings, workers=1)


@app.command()
def prepare(data: DataOption = None) -> None:
    """All that `up` does, but serve."""
    from app.prepare import prepare

    prepare(_settings(data=data))


@app.command()
def serve(
    host: HostOption = None,
    port: PortOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer requests.")] = 1,
) -> None:
    """Serve the newest model over the database."""
    _serve(_settings(host=host, port=port), workers)


@app.command()
def recommend(
    user_id: Annotated[int | None, typer.Argument(min=1, help="A user of the database.")] = None,
    rated: Annotated[
        list[str] | None,
        typer.Option(
            help="In place of a user, what someone has rated: movie id and stars, as in 260=5; may be repeated, "
            "the latest last.",
            metavar="ID=STARS",
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="How many movies.")] = 10,
    rank_by: Annotated[
        Literal["relevance", "next", "rating"] | None,
        typer.Option(
            help="relevance: what the user will like. next: what is picked next. rating: the predicted stars. "
            "[relevance, if the model knows it]"
        ),
    ] = None,
    diversity: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much the list should be like the history in its kinds.")
    ] = None,
) -> None:
    """Print what a user has rated last, and which movies to see next and why."""
    from app.console import print_list
    from app.main import services
    from app.services.answers import Reader, Wish
    from model.features import Profile

    if (user_id is None) == (not rated):
        raise SettingsError("Say for whom: either a USER_ID, or what someone has rated with --rated ID=STARS.")
    wish = Wish(n=n, rank_by=rank_by, explain=True)
    if diversity is not None:
        wish = wish._replace(diversity=diversity)
    served = services(_settings())
    asked = served.recommender
    if user_id is None:
        history = [_rated(text, served.serving.model.star_levels) for text in rated or ()]
        if len({entry.movie_id for entry in history}) < len(history):
            raise SettingsError("A movie is rated twice: give --rated once for each movie.")
        print_list("Someone", asked.named(history), asked.recommend_to_anyone(Reader(Profile(), history), wish))
    else:
        print_list(f"User {user_id}", asked.named(asked.history(user_id)), asked.recommend(user_id, wish))


def _rated(text: str, levels: "StarLevels") -> "Rated":
    from model.features import Rated

    movie_id, _, stars = text.partition("=")
    known = [f"{level:g}" for level in levels]
    if not movie_id.isdecimal() or stars not in known:
        raise SettingsError(
            f"{text!r} is no rating: give a movie's id and the stars, one of {', '.join(known)}, as in 260=5."
        )
    return Rated(int(movie_id), float(stars))


@app.command()
def predict(
    user_id: Annotated[int, typer.Argument(min=1, help="A user of the database.")],
    movie_ids: Annotated[list[int], typer.Argument(min=1, help="Movies of the database.")],
) -> None:
    """Print the stars that a user would give some movies."""
    from app.console import print_predictions
    from app.main import services
    from app.services.answers import Query

    served = services(_settings())
    _, predictions = served.recommender.predict([Query(user_id, movie_id) for movie_id in movie_ids])
    print_predictions(user_id, predictions, served.serving.model.star_levels)


@app.command()
def train(
    data: DataOption = None,
    model: Annotated[str, typer.Option(help="seqrec, seqrec-rating, seqrec-paper or seqrec-lstm.")] = "seqrec",
    out: Annotated[Path | None, typer.Option(help="Folder for the artifact. [SEQREC_ARTIFACTS]")] = None,
    rnn: RecurrentOption = None,
    device: DeviceOption = None,
    resume: ResumeOption = False,
    database: Annotated[
        bool, typer.Option("--database", help="Train on what the database holds now, in place of a folder.")
    ] = False,
) -> None:
    """Train a model and write an artifact that the service can load."""
    from app.database import connect
    from app.prepare import train_model
    from app.snapshot import snapshot
    from model import movielens
    from model.presets import preset

    if database and data is not None:
        raise SettingsError("Train on one of them: either --database or --data DIR.")
    settings = _settings(data=data, artifacts=out, device=device)
    chosen = preset(model, rnn)
    ratings = snapshot(connect(settings.database_url)) if database else movielens.read(_data_folder(settings))
    typer.echo(train_model(ratings, chosen, settings, resume=resume))


@app.command()
def evaluate(
    data: DataOption = None,
    model: ModelOption = "seqrec",
    task: TaskOption = "rating",
    protocol: ProtocolOption = None,
    split_seeds: Annotated[
        tuple[int, int] | None,
        typer.Option(help="What draws the split. [2658 4769 for users, 1234 1234 for ratings]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    rnn: RecurrentOption = None,
    device: DeviceOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a model on a split and print how good it is on test beside the baselines."""
    from app.console import print_evaluation, training_display
    from app.prepare import workshop
    from model import movielens
    from model.evaluation import evaluate
    from model.protocol import DEFAULT_PROTOCOLS, require_protocol, split
    from model.ranking.evaluation import evaluate as evaluate_ranking
    from model.ranking_models import build_ranker, require_ranker
    from model.rating_models import build, require_known
    from model.sequences import Sequences

    settings = _settings(data=data, device=device)
    protocol = protocol or DEFAULT_PROTOCOLS.get(task, "")
    require_protocol(protocol, task)
    ranking = task == "ranking"
    if ranking:
        require_ranker(model)
        if rnn is not None:
            raise SettingsError("Lists are judged of models with a name: leave --rnn out.")
    else:
        require_known(model, rnn)
    ratings = movielens.read(_data_folder(settings))
    drawn = split(protocol, Sequences.of(ratings), split_seeds, task)
    with training_display() as display:
        tools = workshop(ratings, settings, resume, display)
        evaluation = (
            evaluate_ranking(build_ranker(model, tools, protocol), drawn)
            if ranking
            else evaluate(build(model, tools, rnn), drawn, tools).evaluation
        )
        tools.discard_checkpoints()
    if as_json:
        typer.echo(evaluation.model_dump_json())
    else:
        print_evaluation(evaluation)


@app.command()
def openapi(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a page to read, in place of JSON.")] = False,
) -> None:
    """Print the API's description."""
    from app.main import api
    from app.reference import page

    description = api().openapi()
    typer.echo(page(description) if markdown else json.dumps(description, indent=2), nl=not markdown)


@app.command("export")
def export_ratings(
    out: Annotated[Path | None, typer.Option(help="File to write. [standard output]", dir_okay=False)] = None,
) -> None:
    """Write all ratings of the database, one JSON object a line."""
    from app.maintenance import export_lines

    lines = export_lines(_settings())
    if out is None:
        for line in lines:
            typer.echo(line)
        return
    aside = out.with_name(f".{out.name}.writing")
    with aside.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)
    aside.replace(out)


@app.command("import")
def import_ratings(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="JSON Lines as of export; - for standard input.")],
) -> None:
    """Write ratings into the database, all or none; ratings of the same user and movie are replaced."""
    from app.console import say
    from app.maintenance import import_lines

    say(f"{import_lines(file, _settings()):,} ratings written")


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database's schema to the newest revision."""
    from app.console import say
    from app.database import connect, shown, upgrade

    engine = connect(_settings().database_url)
    say(f"{shown(engine)}: " + ("upgraded" if upgrade(engine) else "is at the newest revision"))


@db.command("stats")
def db_stats() -> None:
    """Print what the database holds."""
    from app.console import print_stats
    from app.maintenance import stats

    print_stats(*stats(_settings()))


@db.command("load")
def db_load(
    folder: FolderArgument,
) -> None:
    """Fill an empty database from a MovieLens folder; loading the same data again changes nothing."""
    from app.prepare import load_database
    from model import movielens

    load_database(movielens.read(folder), _settings())


@data.command("get")
def data_get() -> None:
    """Download MovieLens 1M to data/ml-1m."""
    from app.prepare import download_data

    typer.echo(download_data(_settings()))


@data.command("check")
def data_check(folder: FolderArgument) -> None:
    """Print every bad line of a MovieLens folder by file, line and fault; the status is 1 if there is one."""
    from model import movielens

    (users, movies, ratings), problems = movielens.examine(folder)
    for problem in problems:
        typer.echo(problem)
    if len(problems):
        raise typer.Exit(1)
    typer.echo(f"{len(users):,} users, {len(movies):,} movies, {len(ratings):,} ratings: no problems")


@data.command("describe")
def data_describe(folder: FolderArgument) -> None:
    """Print what a MovieLens folder holds: how much, from when, how the stars and the genres are spread."""
    from app.description import print_description
    from model import movielens

    print_description(movielens.read(folder))


@experiments.command("paper")
def experiments_paper(
    data: DataOption = None,
    out: ResultsOption = Path("docs/results"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="Run this part alone: table-4, table-5, variants or other-splits; may be repeated."),
    ] = None,
    models: Annotated[str | None, typer.Option(help="Run the rows of these models alone, separated by commas.")] = None,
    other_seeds: Annotated[
        list[str] | None,
        typer.Option(help="Seeds of a further split of users; may be repeated. [1,2 3,4 5,6 7,8 9,10]"),
    ] = None,
    readme: ReadmeOption = None,
    device: DeviceOption = None,
) -> None:
    """Reproduce the paper's tables and figures, and more; goes on where an interrupted run stopped."""
    from app.console import resumable_display
    from app.prepare import workshop
    from model import movielens
    from model.experiments.paper import PARTS, reproduce, require_parts
    from model.experiments.plan import OTHER_SEEDS, Plan, parsed_seeds

    settings = _settings(data=data, device=device)
    chosen = frozenset(models.split(",")) if models else None
    seeds = tuple(parsed_seeds(text) for text in other_seeds) if other_seeds else OTHER_SEEDS
    plan = Plan(models=chosen, other_seeds=seeds)
    require_parts(only or PARTS)
    ratings = movielens.read(_data_folder(settings))
    with resumable_display() as display:
        tools = workshop(ratings, settings, True, display)
        reproduce(out, ratings, tools, plan, only or PARTS, display.headline, readme)
    typer.echo(out / "README.md")


@experiments.command("lists")
def experiments_lists(
    data: DataOption = None,
    out: ResultsOption = Path("docs/results"),
    readme: ReadmeOption = None,
    device: DeviceOption = None,
) -> None:
    """Judge the lists of all models; goes on where an interrupted run stopped."""
    from app.console import resumable_display
    from app.prepare import workshop
    from model import movielens
    from model.experiments.list_report import BEGIN, END, write_lists
    from model.experiments.lists import measure
    from model.experiments.report import around_summary

    settings = _settings(data=data, device=device)
    if readme is not None:
        around_summary(readme, BEGIN, END)  # refused now, not after hours
    ratings = movielens.read(_data_folder(settings))
    with resumable_display() as display:
        lists = measure(out, ratings, workshop(ratings, settings, True, display), display.headline)
    write_lists(out, lists, readme)
    typer.echo(out / "lists.md")


def main() -> None:
    """Run a command; errors that a user can mend are one message, not a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except (SeqRecError, PermissionError, FileNotFoundError, NotADirectoryError) as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _settings(**options: object) -> Settings:
    """The settings, with the command's options before the environment."""
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [f"SEQREC_{problem['loc'][0]!s}".upper() + f": {problem['msg']}" for problem in error.errors()]
        raise SettingsError("The settings are invalid. " + "; ".join(problems)) from error


def _data_folder(settings: Settings) -> Path:
    """For results that someone will quote: never the generated sample, unless it is asked for by its folder."""
    from app.prepare import download_data, find_data

    return settings.data or find_data(settings) or download_data(settings)


def _serve(settings: Settings, workers: int) -> None:
    from app.main import run

    run(settings, workers)
