"""Commands that make the tables and figures of `docs/results`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import DataOption, DeviceOption, Part, ReadmeOption, ResultsOption, data_folder, settings_with

commands = typer.Typer(help="Experiments that reproduce published results.", no_args_is_help=True)


@commands.command("paper")
def experiments_paper(
    data: DataOption = None,
    out: ResultsOption = Path("docs/results"),
    only: Annotated[
        list[Part] | None,
        typer.Option(help="Run this part alone; may be repeated.", show_default="all parts"),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Run these models alone, separated by commas.", show_default="all models"),
    ] = None,
    other_seeds: Annotated[
        list[str] | None,
        typer.Option(help="Seeds of a further split of users; may be repeated.", show_default="1,2 3,4 5,6 7,8 9,10"),
    ] = None,
    readme: ReadmeOption = None,
    device: DeviceOption = None,
) -> None:
    """Reproduce the paper's tables and figures, and more; continues an interrupted run."""
    from app.cli.console import resumable_reporter
    from app.jobs.training import training_context
    from model.data import dataset
    from model.experiments.paper import PARTS, reproduce, require_parts
    from model.experiments.plan import OTHER_SEEDS, Plan, parse_split_seeds

    settings = settings_with(data=data, device=device)
    chosen = frozenset(models.split(",")) if models else None
    seeds = tuple(parse_split_seeds(text) for text in other_seeds) if other_seeds else OTHER_SEEDS
    plan = Plan(models=chosen, other_seeds=seeds)
    require_parts(only or PARTS)
    with resumable_reporter() as progress:
        ratings = dataset.read(data_folder(settings, progress))
        context = training_context(ratings, settings, progress, resume=True)
        reproduce(out, ratings, context, plan, only or PARTS, progress.headline, readme)
    typer.echo(out / "README.md")


@commands.command("lists")
def experiments_lists(
    data: DataOption = None,
    out: ResultsOption = Path("docs/results"),
    models: Annotated[
        str | None,
        typer.Option(help="Evaluate these models alone, separated by commas.", show_default="all models"),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Train each seqrec network once with each of these seeds, separated by commas.")
    ] = "0",
    readme: ReadmeOption = None,
    device: DeviceOption = None,
) -> None:
    """Evaluate the lists of all models; continues an interrupted run."""
    from app.cli.console import resumable_reporter
    from app.jobs.training import training_context
    from model.data import dataset
    from model.experiments.lists.report import BEGIN, END, write_lists
    from model.experiments.lists.runs import MODELS, execute_all, parse_seeds
    from model.experiments.report import around_summary

    settings, chosen = settings_with(data=data, device=device), parse_seeds(seeds)
    if readme is not None:
        around_summary(readme, BEGIN, END)  # raise now, not after hours
    with resumable_reporter() as progress:
        ratings = dataset.read(data_folder(settings, progress))
        context = training_context(ratings, settings, progress, resume=True)
        results = execute_all(out, ratings, context, progress.headline, chosen, models.split(",") if models else MODELS)
    write_lists(out, results, readme)
    typer.echo(out / "lists.md")
