"""The sections of the report: prose, table and figure. Each section draws its own figure into the folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.card import DataSource
from model.data.dataset import MovieLens
from model.data.summary import Imbalance, measure_imbalance
from model.evaluation.bootstrap import LEVEL, RESAMPLES
from model.experiments import figures, tables
from model.experiments.ablation import Ablation
from model.experiments.plan import OTHER_SEEDS, OUR_MODEL, SEEDS, Plan, Variant, find_results
from model.experiments.results import Comparison, Result
from model.experiments.runs import RunStore
from model.pipeline import source

IMBALANCE_FIGURE = "figure-1-imbalance.png"


@dataclass(frozen=True)
class Findings:
    """All available results, in the order of the plan.

    Attributes:
        models: Table 4.
        unfinished: titles of the runs that Table 4 still lacks.
        ablations: Table 5.
        variants: our model with one thing changed, and the comparison with our model itself.
        comparisons: our model with baselines, on several splits of users.
        examined: our model and its baselines on the paper's split, whose errors are shown in bins.
        other_seeds: of the further splits of users.
    """

    data: DataSource
    imbalance: Imbalance
    models: list[Result]
    unfinished: list[str]
    ablations: list[tuple[Ablation, Result]]
    variants: list[tuple[Variant, Result, Comparison]]
    comparisons: list[Comparison]
    examined: list[Result]
    other_seeds: Sequence[tuple[int, int]]

    @classmethod
    def collect(cls, data: MovieLens, store: RunStore, plan: Plan) -> "Findings":
        models = find_results(store, plan.table_4())
        comparisons = [store.find_comparison(ours, baseline) for ours, baseline in plan.comparisons(models)]
        return cls(
            data=source(data),
            imbalance=measure_imbalance(data),
            models=models,
            unfinished=[run.title for run in plan.table_4() if store.find(run) is None],
            ablations=[
                (ablation, result) for ablation, run in plan.table_5() if (result := store.find(run)) is not None
            ],
            variants=_find_variants(store, plan),
            comparisons=[comparison for comparison in comparisons if comparison is not None],
            examined=_select_examined(models, plan),
            other_seeds=plan.other_seeds,
        )


def _find_variants(store: RunStore, plan: Plan) -> list[tuple[Variant, Result, Comparison]]:
    variants = []
    for variant, varied, unchanged in plan.variants():
        result, comparison = store.find(varied), store.find_comparison(varied, unchanged)
        if result is not None and comparison is not None:
            variants.append((variant, result, comparison))
    return variants


def _select_examined(models: Sequence[Result], plan: Plan) -> list[Result]:
    """Our model, the bias model and the best published model on the paper's split, inductive or not."""
    names = [OUR_MODEL, *plan.baselines(models, inductive=False)]
    tested = {result.model: result for result in models if result.protocol == "paper" and result.evaluation is not None}
    return [tested[name] for name in names if name in tested]


def introduction(findings: Findings) -> str:
    data = findings.data
    notice = "**Not real data: people, movies and ratings are made up.**\n\n" if data.generated else ""
    seeds = "; ".join(f"`{protocol}` {first}, {second}" for protocol, (first, second) in SEEDS.items())
    return f"""\
# Results

{notice}Tables and figures of the SeqRec paper (McGill University, 2022), measured anew, and some that it lacks. This
file, the figures and `results.json` are written by

```sh
{_command(findings)}
```

The result of each run is saved in `rows/`; the command continues from there after an interruption.

- Data: {data.name}, {data.users:,} users, {data.movies:,} movies, {data.ratings:,} ratings, SHA-256 `{data.checksum}`.
- Splits and their seeds: {seeds}.
- `paper` divides the users 80/10/10; the first half of a user's ratings is the history, the rest is predicted.
  `random` divides the ratings: 10 % for test, 5 % of the others for validation.
- On the random split, models that are not fitted to the users they predict for (`bias`, `bst`, our own) have the
  validation ratings in the histories when they are tested; `glocal-k` and `gc-mc` do not see them.
- A model is *inductive* on a split if no rating of a test user was there in training, and *transductive* otherwise.
- RMSE in stars, predictions clipped to 1..5. Accuracy: share of the predictions that round to the given star. Mode
  accuracy: share of the ratings whose likeliest star is the given one. Seconds: of training and predicting; for a run
  that was interrupted, of its epochs.
- Settings were chosen on validation; the error on test was taken once, at the end.
- `seqrec-rating` is `seqrec` without its ranking network, which has no effect on predicted stars; see `lists.md`.
- `seqrec-best` is *refitted*: it learns from the validation ratings too, for a number of epochs that was chosen before,
  as a served model learns from all.
- `seqrec`, `seqrec-rating` and `seqrec-best` know where a target stands in the order of its user's ratings, as every
  model does that reads the time of a rating; the service asks for the next one.
- Versions: {_versions(findings)}.{_renamed(findings)}
- *Code*: `recorded` is a result that carries what made it, which a test compares with the code of today
  ([how](../evaluation.md#what-made-a-result)). `not recorded` was measured before results carried what made them: it
  may be older than the code.
- `-` in a table: not measured; in a column of published values: not published. Mode accuracy and calibration error are
  of models that give probabilities.
"""


def _command(findings: Findings) -> str:
    seeds = [f" --other-seeds {first},{second}" for first, second in findings.other_seeds]
    return "seqrec experiments paper --data DIR --out OUT" + ("".join(seeds) if _unusual(findings) else "")


def _unusual(findings: Findings) -> bool:
    return tuple(findings.other_seeds) != OTHER_SEEDS


def _versions(findings: Findings) -> str:
    """Every set of versions that a result in the tables was computed with."""
    sets = dict.fromkeys(
        ", ".join(f"{name} {value}" for name, value in versions.items()) for versions in _all_versions(findings)
    )
    return "; ".join(sets) or "none yet"


def _renamed(findings: Findings) -> str:
    if any(versions.get("seqrec") == "0.1.0" for versions in _all_versions(findings)):
        return (
            "\n  Rows of 0.1.0 were measured before the release of 0.2.0; "
            "their settings have since changed in name only."
        )
    return ""


def _all_versions(findings: Findings) -> Iterator[Mapping[str, str]]:
    """The versions of each result in the tables."""
    yield from (result.versions for result in findings.models)
    yield from (result.versions for _, result in findings.ablations)
    yield from (result.versions for _, result, _ in findings.variants)


def _imbalance_section(findings: Findings, folder: Path) -> str:  # noqa: ARG001 - one signature for all
    return f"""\
## Table 1 and Figure 1: the data's imbalance

{tables.data_table(findings.imbalance)}
{tables.spread_table(findings.imbalance)}
{tables.stars_table(findings.imbalance)}
![Ratings per user and per movie]({IMBALANCE_FIGURE})
"""


def _training_section(findings: Findings, folder: Path) -> str:
    name = "figure-4-training.png"
    trained = [one for one in findings.models if one.evaluation is not None and one.evaluation.learning_curve]
    if not trained:
        return _empty_section(folder, name, "## Figure 4: training", "No model with epochs has been trained yet.")
    figures.draw_training(folder / name, trained, _styles(findings))
    return f"""\
## Figure 4: training

Each model has the weights of the epoch with the smallest validation error, but `gc-mc` those of the last one. An epoch
of `gc-mc` stands for 50 published ones, one of `glocal-k` for a round of L-BFGS steps. The loss of a network is taken
with dropout on, and while the weights move. It is the mean squared error, but for models with probabilities (ours,
`gc-mc`) the cross-entropy: their curves compare with themselves alone.

![Training curves]({name})
"""


def _models_section(findings: Findings, folder: Path) -> str:  # noqa: ARG001 - one signature for all
    unfinished = (
        f"\nNot run yet; the command above does: {'; '.join(findings.unfinished)}.\n" if findings.unfinished else ""
    )
    missing = {f"\n`{one.model}` was not run: {one.missing}.\n" for one in findings.models if one.missing is not None}
    return f"""\
## Table 4: all models

A published value stands beside the split that it was measured on. Those of others than SeqRec were measured on draws
of their own.

{tables.models_table(findings.models)}{"".join(sorted(missing))}{unfinished}"""


def _ablations_section(findings: Findings, folder: Path) -> str:
    name = "table-5-ablations.png"
    measured = [(ablation, result) for ablation, result in findings.ablations if result.evaluation is not None]
    if not measured:
        missing = [result.missing for _, result in findings.ablations if result.missing is not None]
        reason = f"They were not run: {missing[0]}." if missing else "No ablation has been run yet."
        return _empty_section(folder, name, "## Table 5: ablations", reason)
    figures.draw_ablations(folder / name, measured)
    return f"""\
## Table 5: ablations

By the paper's method: weights of the trained `seqrec-paper` are set to zero and frozen, and two further epochs let the
rest recover. `movie`, `title`, `history` and `profile` are branches of the network; `embedding` is the table of movie
embeddings, which history and movie branch share. The paper's row *movie id + title* has the error of predicting the
mean, so no information about the movie can have been left: the genres are zeroed too, and the network still reads the
profile and the stars in the history. *Change* is the difference to the row *none*, which has the same two further
epochs.

{tables.ablation_table(measured)}
![Ablations, measured and published]({name})
"""


def _variants_section(findings: Findings, folder: Path) -> str:  # noqa: ARG001 - one signature for all
    heading = "## What each part is worth"
    unchanged = next((one for one in findings.models if (one.model, one.protocol) == (OUR_MODEL, "paper")), None)
    if not findings.variants or unchanged is None or unchanged.evaluation is None:
        return f"{heading}\n\nNo variant has been run yet.\n"
    return f"""\
{heading}

`{OUR_MODEL}` with one thing changed, trained anew on the split `paper`. *Change* is the variant's test RMSE minus that
of the model as it is served, so what is above 0 is a loss; the interval is a paired bootstrap over the test users,
which does not cover the choice of the training seed. The rows answer what the paper leaves as future work:
demographics, the gap between training and validation, the imbalance of users and movies, and the graph of users and
movies.

{tables.variants_table(unchanged.evaluation, findings.variants)}"""


def _errors_section(findings: Findings, folder: Path) -> str:
    name = "errors.png"
    if not findings.examined:
        return _empty_section(
            folder, name, "## Where the errors are", "None of the models to compare has been run yet."
        )
    figures.draw_errors(folder / name, findings.examined, _styles(findings))
    by_history = {result.model: result.by_history for result in findings.examined}
    by_popularity = {result.model: result.by_popularity for result in findings.examined}
    return f"""\
## Where the errors are

Test RMSE on the split `paper`: `{OUR_MODEL}`, the bias model, and of all others the one with the smallest validation
error, where one has been run. Table 4 says whether that one is transductive. The figure leaves bins out that hold less
than a thousandth of the test ratings.

{tables.bins_table("ratings of the user before", by_history)}
{tables.bins_table("training ratings of the movie", by_popularity)}
![Errors by length of history and by popularity]({name})
"""


def _calibration_section(findings: Findings, folder: Path) -> str:
    name = "calibration.png"
    calibrated = [result for result in findings.models if result.calibration is not None]
    if not calibrated:
        return _empty_section(folder, name, "## Calibration", "No model that has been run gives probabilities.")
    figures.draw_calibration(folder / name, calibrated, _styles(findings))
    return f"""\
## Calibration

Models that give each number of stars a probability. The diagram counts all five stars of every test rating; the
expected calibration error (ECE) is of the likeliest one, in 15 bins of equal width (Guo et al. 2017). Bins of
fewer than {figures.FEWEST_IN_BIN} probabilities are not drawn.

{tables.calibration_table(calibrated)}
![Reliability diagram]({name})
"""


def _splits_section(findings: Findings, folder: Path) -> str:
    name = "other-splits.png"
    if not findings.comparisons:
        return _empty_section(folder, name, "## Other splits of the users", "Nothing has been compared yet.")
    figures.draw_differences(folder / name, findings.comparisons, _styles(findings))
    return f"""\
## Other splits of the users

`{OUR_MODEL}` against two baselines: the bias model, and the published inductive model with the smallest validation
error on the split `paper`. Users are divided anew with other seeds, and all models trained anew. The interval holds
{100 * LEVEL:.0f} % of {RESAMPLES:,} resamples of the test users (paired bootstrap, seed 0): each resample holds the
same users for both models.

{tables.comparisons_table(findings.comparisons)}
![Differences by split]({name})
"""


def _styles(findings: Findings) -> dict[str, figures.LineStyle]:
    return figures.assign_styles(result.model for result in findings.models)


def _empty_section(folder: Path, figure: str, heading: str, reason: str) -> str:
    """A section without results; deletes the figure of earlier results, which would be out of date."""
    (folder / figure).unlink(missing_ok=True)
    return f"{heading}\n\n{reason}\n"


SECTIONS = (
    _imbalance_section,
    _training_section,
    _models_section,
    _ablations_section,
    _variants_section,
    _errors_section,
    _calibration_section,
    _splits_section,
)
