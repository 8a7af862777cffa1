"""The experiment's tables, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from model.card import Evaluation
from model.data.summary import Imbalance, Spread
from model.experiments.ablation import Ablation
from model.experiments.plan import OUR_MODEL, PUBLISHED, Published, Variant
from model.experiments.provenance import Provenance
from model.experiments.results import BinError, Comparison, Result
from model.training.trainer import EarlyStopping

NOTHING = "-"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A Markdown table; the first ``texts`` columns are text, the others are numbers, aligned to the right."""
    marks = ["---"] * texts + ["---:"] * (len(header) - texts)
    lines = [header, marks, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def data_table(data: Imbalance) -> str:
    return markdown(
        ["", "number"],
        [
            ["users", f"{data.users:,}"],
            ["movies in the catalogue", f"{data.listed_movies:,}"],
            ["movies with a rating", f"{data.movies:,}"],
            ["ratings", f"{data.ratings:,}"],
            ["density", _percent(data.density)],
        ],
    )


def spread_table(data: Imbalance) -> str:
    header = ["ratings", "min", "lower quartile", "median", "upper quartile", "mean", "max", "held by the top 10 %"]
    return markdown(header, [_spread_row("per user", data.per_user), _spread_row("per rated movie", data.per_movie)])


def _spread_row(name: str, spread: Spread) -> list[str]:
    quartiles = [f"{value:,.5g}" for value in (spread.lower_quartile, spread.median, spread.upper_quartile)]
    return [
        name,
        f"{spread.minimum:,}",
        *quartiles,
        f"{spread.mean:,.1f}",
        f"{spread.maximum:,}",
        _percent(spread.top_share),
    ]


def stars_table(data: Imbalance) -> str:
    rows = [
        [f"{level:g}", f"{count:,}", _percent(count / data.ratings)]
        for level, count in zip(data.levels, data.stars, strict=True)
    ]
    return markdown(["stars", "ratings", "share"], rows)


def models_table(results: Iterable[Result]) -> str:
    """Table 4: one row a model and protocol, with the published value in the last column."""
    header = [
        "model",
        "split",
        "task",
        "test RMSE",
        "accuracy",
        "mode accuracy",
        "validation RMSE",
        "calibration error",
        "seconds",
        "code",
        "published RMSE / accuracy",
    ]
    return markdown(header, [_model_row(result) for result in results], texts=3)


SUMMARY_MODELS = ("movie-mean", "bias", "seqrec", "seqrec-best", "bst", "glocal-k")
"""Rows of the summary, in the order of Table 4: simple baselines, our models, and published ones."""


def summary_table(results: Iterable[Result]) -> str:
    """One row for each of `SUMMARY_MODELS`: the most important columns of Table 4, for the project's README."""
    tested = {(one.model, one.protocol): one.evaluation for one in results if one.evaluation is not None}
    header = ["model", "paper split: RMSE", "accuracy", "random split: RMSE", "published RMSE / accuracy"]
    models = dict.fromkeys(model for model, _ in tested if model in SUMMARY_MODELS)
    return markdown(header, [_summary_row(model, tested) for model in models])


def _summary_row(model: str, tested: Mapping[tuple[str, str], Evaluation]) -> list[str]:
    paper, random = (tested.get((model, protocol)) for protocol in ("paper", "random"))
    published = [_published_cell(value) for (name, _), value in PUBLISHED.items() if name == model]
    return [
        f"`{model}`" + ("" if paper is None or paper.inductive else " (transductive)"),
        NOTHING if paper is None else f"{paper.rmse:.4f}",
        NOTHING if paper is None else f"{paper.accuracy:.4f}",
        NOTHING if random is None else f"{random.rmse:.4f}",
        "; ".join(published) or NOTHING,
    ]


def _model_row(result: Result) -> list[str]:
    published = _published_cell(PUBLISHED.get((result.model, result.protocol)))
    if result.evaluation is None:
        return [f"`{result.model}`", result.protocol, "not run", *[NOTHING] * 7, published]
    scores = _scores(result.evaluation, refitted=result.is_refitted)
    return [f"`{result.model}`", result.protocol, *scores, code_cell(result.made_by), published]


def code_cell(*made_by: Provenance | None) -> str:
    """Whether results carry what made them, so that a test compares them with the code of today."""
    return "not recorded" if None in made_by else "recorded"


def _scores(evaluation: Evaluation, *, refitted: bool) -> list[str]:
    """The error on validation is none of a model that has learned from these ratings."""
    return [
        "inductive" if evaluation.inductive else "transductive",
        f"{evaluation.rmse:.4f}",
        f"{evaluation.accuracy:.4f}",
        _number(evaluation.mode_accuracy),
        NOTHING if refitted else f"{evaluation.validation.rmse:.4f}",
        _number(evaluation.calibration_error),
        f"{evaluation.seconds:,.1f}",
    ]


def _published_cell(published: Published | None) -> str:
    if published is None:
        return NOTHING
    accuracy = "" if published.accuracy is None else f" / {published.accuracy:.3f}"
    return f"{published.rmse:.3g}{accuracy} ({published.source})"


def ablation_table(ablations: Iterable[tuple[Ablation, Result]]) -> str:
    """Table 5: the error of each ablation, and its difference to the ablation of nothing."""
    measured = [(ablation, result.evaluation) for ablation, result in ablations if result.evaluation is not None]
    unchanged = next((evaluation.rmse for ablation, evaluation in measured if not ablation.zeroed), None)
    rows = [
        [
            ablation.name,
            ", ".join(ablation.zeroed) or NOTHING,
            f"{evaluation.rmse:.4f}",
            NOTHING if unchanged is None or not ablation.zeroed else f"{evaluation.rmse - unchanged:+.4f}",
            f"{evaluation.accuracy:.4f}",
            f"{ablation.published:.3f}",
        ]
        for ablation, evaluation in measured
    ]
    header = ["zeroed in the paper", "zeroed here", "test RMSE", "change", "accuracy", "published RMSE"]
    return markdown(header, rows, texts=2)


def variants_table(unchanged: Evaluation, variants: Iterable[tuple[Variant, Result, Comparison]]) -> str:
    """Our model, then its variants with their difference to it."""
    header = ["variant", "question", "test RMSE", "change", "95 % interval", "accuracy", "mode accuracy", "best epoch"]
    rows = [["as served", NOTHING, f"{unchanged.rmse:.4f}", NOTHING, NOTHING, *_accuracies(unchanged)]]
    for variant, result, change in variants:
        if result.evaluation is not None:
            interval = f"{change.low:+.4f} to {change.high:+.4f}"
            errors = [f"{result.evaluation.rmse:.4f}", f"{change.difference:+.4f}", interval]
            rows.append([variant.name, variant.question, *errors, *_accuracies(result.evaluation)])
    return markdown(header, rows, texts=2)


def _accuracies(evaluation: Evaluation) -> list[str]:
    """Both accuracies, and the epoch with the smallest validation error, whose weights are used."""
    curve = evaluation.learning_curve
    best = EarlyStopping("validation_rmse", patience=0).best(curve)
    kept = f"{best.number if best else 0} of {len(curve)}"
    return [f"{evaluation.accuracy:.4f}", _number(evaluation.mode_accuracy), kept]


def bins_table(quantity: str, bins: dict[str, list[BinError]]) -> str:
    """Errors of several models, by name, in bins of the same targets; ``quantity`` is what decides the bin."""
    targets = {one.bin: one.targets for errors in bins.values() for one in errors}
    cells = {name: {one.bin: f"{one.rmse:.4f}" for one in errors} for name, errors in bins.items()}
    rows = [
        [label, f"{count:,}", *(cells[name].get(label, NOTHING) for name in bins)] for label, count in targets.items()
    ]
    return markdown([quantity, "test ratings", *(f"`{name}`" for name in bins)], rows)


def calibration_table(results: Iterable[Result]) -> str:
    rows = [
        [
            f"`{result.model}`",
            result.protocol,
            _number(result.evaluation.calibration_error),
            _number(result.evaluation.mode_accuracy),
        ]
        for result in results
        if result.evaluation is not None
    ]
    return markdown(["model", "split", "expected calibration error", "mode accuracy"], rows, texts=2)


def comparisons_table(comparisons: Iterable[Comparison]) -> str:
    header = ["seeds", "against", f"RMSE of `{OUR_MODEL}`", "of the other", "difference", "95 % interval"]
    rows = [
        [
            f"{one.seeds[0]}, {one.seeds[1]}",
            f"`{one.second}`",
            f"{one.first_rmse:.4f}",
            f"{one.second_rmse:.4f}",
            f"{one.difference:+.4f}",
            f"{one.low:+.4f} to {one.high:+.4f}",
        ]
        for one in comparisons
    ]
    return markdown(header, rows, texts=2)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"
