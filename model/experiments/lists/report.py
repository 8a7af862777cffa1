"""Writes the report of the list experiment: lists.md with its figures, and the summary in the README."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from model.card import RankingScore
from model.evaluation.bootstrap import RESAMPLES
from model.experiments.lists.comparisons import ListComparison, Measured, compare
from model.experiments.lists.figures import draw_curves, draw_diversity, draw_models
from model.experiments.lists.runs import PROTOCOLS, SERVED_MODEL, ExternalResult, ListResults, Result, result_file
from model.experiments.provenance import Provenance
from model.experiments.report import around_summary, write_text
from model.experiments.tables import NOTHING, code_cell, markdown
from model.training.presets import PRESETS

BEGIN, END = "<!-- lists: written by seqrec experiments lists -->", "<!-- end of lists -->"
"""The summary of the lists stands between these marks in a README."""

SUMMARY_MODELS = ("seqrec", "seqrec-best", "sasrec", "ease", "item-knn", "popularity")
"""Rows of the summary: our model, the best external baseline on either protocol, and our own baselines."""

MODELS_FIGURE, CURVES_FIGURE, DIVERSITY_FIGURE = "lists.png", "lists-training.png", "lists-diversity.png"


class Published(NamedTuple):
    """Published figures on leave-one-out, of the whole catalogue, and their source."""

    model: str
    hr_at_10: float
    ndcg_at_10: float
    source: str


KLENITSKIY = "Klenitskiy and Vasilev 2023, RecSys (arXiv 2309.07602)"
ZHAI = "Zhai et al. 2024, ICML (arXiv 2402.17152)"

PUBLISHED = (
    Published("HSTU, full softmax", 0.342, 0.194, "NetEase Media, README of HSTU-Tensorflow on GitHub; no paper"),
    Published("HSTU-large", 0.329, 0.189, ZHAI),
    Published("SASRec, 3,000 negatives", 0.316, 0.186, KLENITSKIY),
    Published("SASRec, full cross-entropy", 0.315, 0.182, KLENITSKIY),
    Published("gSASRec, 256 negatives", 0.300, 0.173, "Petrov and Macdonald 2023, RecSys (arXiv 2308.07192)"),
    Published("HSTU", 0.310, 0.172, ZHAI),
    Published("GRU4Rec, cross-entropy", 0.281, 0.165, KLENITSKIY),
    Published("BERT4Rec", 0.284, 0.154, KLENITSKIY),
)


class TableRow(NamedTuple):
    """A model's scores on one protocol.

    Attributes:
        name: as in the tables.
        model: its name alone.
        scores: one for each seed that it was trained with.
        files: of the results, likewise.
        intervals: 95 % intervals of NDCG@10; empty unless all results have one.
        made_by: what made the results, likewise; None where a result does not carry it.
        stopped_at: see `ExternalResult.stopped_at`.
        minutes: of one training and its ranking, mean.
    """

    name: str
    model: str
    scores: Sequence[RankingScore | ExternalResult]
    files: Sequence[Path]
    intervals: Sequence[tuple[float, float]]
    made_by: Sequence[Provenance | None]
    inductive: bool
    minutes: float
    stopped_at: float | None = None

    def mean(self, metric: str) -> float | None:
        """Over the seeds; None if it was not measured."""
        values = [getattr(score, metric) for score in self.scores]
        return None if None in values else sum(values) / len(values)

    @property
    def ndcg(self) -> float:
        return self.mean("ndcg_at_10") or 0.0

    def cell(self, metric: str, form: str = ".4f") -> str:
        """The mean; with several seeds, the smallest and the greatest value too."""
        mean = self.mean(metric)
        if mean is None:
            return NOTHING
        if len(self.scores) == 1:
            return f"{mean:{form}}"
        values = [getattr(score, metric) for score in self.scores]
        return f"{mean:{form}} ({min(values):{form}} to {max(values):{form}})"


def write_lists(folder: Path, results: ListResults, readme: Path | None = None) -> None:
    """Write ``lists.md`` with its figures, and the summary into ``readme``, if given.

    Models are compared with the best one as far as the ranks of their targets are there, see `compare`.
    """
    by_protocol = rank_models(folder, results)
    draw_models(
        folder / MODELS_FIGURE,
        {protocol: [(row.name.strip("`"), row.ndcg) for row in rows] for protocol, rows in by_protocol.items()},
    )
    served = [one for one in results.own if one.evaluation.model == SERVED_MODEL]
    ours = {one.evaluation.protocol: one for one in sorted(served, key=lambda one: -one.seed)}  # of the least seed
    if ours:
        draw_curves(folder / CURVES_FIGURE, {name: one.evaluation.learning_curve for name, one in ours.items()})
        draw_diversity(folder / DIVERSITY_FIGURE, {name: one.diversity for name, one in ours.items()})
    tables = "\n".join(
        _protocol_section(protocol, rows, compare_with_best(folder, protocol, rows))
        for protocol, rows in by_protocol.items()
    )
    write_text(folder / "lists.md", _page(tables, ours.values(), results.external))
    if readme is not None:
        before, after = around_summary(readme, BEGIN, END)
        write_text(readme, f"{before}{BEGIN}\n{summarize(by_protocol)}{END}{after}")


def rank_models(folder: Path, results: ListResults) -> dict[str, list[TableRow]]:
    """All models on each protocol that has results, sorted by descending NDCG@10."""
    by_protocol = {protocol: _rank_models_of(folder, results, protocol) for protocol in PROTOCOLS}
    return {protocol: rows for protocol, rows in by_protocol.items() if rows}


def _rank_models_of(folder: Path, results: ListResults, protocol: str) -> list[TableRow]:
    by_model: dict[str, list[Result]] = {}
    for one in results.own:
        if one.evaluation.protocol == protocol:
            by_model.setdefault(one.evaluation.model, []).append(one)
    rows = [_own_row(folder, protocol, trainings) for trainings in by_model.values()]
    rows += [_external_row(folder, one) for one in results.external if one.protocol == protocol]
    return sorted(rows, key=lambda row: -row.ndcg)


def _own_row(folder: Path, protocol: str, trainings: Sequence[Result]) -> TableRow:
    evaluations = [one.evaluation for one in trainings]
    intervals = [one.interval for one in trainings if one.interval is not None]
    return TableRow(
        name=f"`{evaluations[0].model}`",
        model=evaluations[0].model,
        scores=evaluations,
        files=[result_file(folder, protocol, one.evaluation.model, one.seed) for one in trainings],
        intervals=intervals if len(intervals) == len(trainings) else (),
        made_by=[one.made_by for one in trainings],
        inductive=evaluations[0].inductive,
        minutes=sum(one.seconds for one in evaluations) / 60 / len(trainings),
    )


def _external_row(folder: Path, one: ExternalResult) -> TableRow:
    return TableRow(
        name=f"{one.model} ({one.library} {one.version})",
        model=one.model,
        scores=[one],
        files=[folder / "peers" / f"{one.protocol}-{one.model}.json"],
        intervals=() if one.interval is None else [one.interval],
        made_by=[one.made_by],
        inductive=one.inductive,
        minutes=one.seconds / 60,
        stopped_at=one.stopped_at,
    )


def compare_with_best(folder: Path, protocol: str, rows: Sequence[TableRow]) -> dict[str, ListComparison]:
    """The best model against each other one that it can be compared with, by the other's name."""
    measured = [
        Measured(model=row.model, ndcgs=[score.ndcg_at_10 for score in row.scores], files=list(row.files))
        for row in rows
    ]
    return {comparison.second: comparison for comparison in compare(folder, protocol, measured)}


def _protocol_section(protocol: str, rows: Sequence[TableRow], comparisons: Mapping[str, ListComparison]) -> str:
    unfinished = "".join(
        f"\n{row.name} is unfinished: its training was ended after {row.stopped_at:g} minutes, while its lists for the "
        "validation users were still getting better.\n"
        for row in rows
        if row.stopped_at is not None
    )
    return f"## {protocol}\n\n{_accuracy_table(rows, comparisons)}\n{_lists_table(rows)}{unfinished}"


def _accuracy_table(rows: Sequence[TableRow], comparisons: Mapping[str, ListComparison]) -> str:
    """How many targets the lists hold; the best NDCG@10 is bold if it is clear of the second best."""
    second = comparisons.get(rows[1].model) if len(rows) > 1 else None
    leads = second is not None and second.is_clear
    header = ["model", "NDCG@10", "95 % interval", "to the best", "HR@10", "NDCG@50", "HR@50", "MRR"]
    return markdown(
        header,
        [
            [
                row.name,
                f"**{row.cell('ndcg_at_10')}**" if leads and row is rows[0] else row.cell("ndcg_at_10"),
                _interval_cell(row),
                _difference_cell(comparisons.get(row.model)),
                *(row.cell(metric) for metric in ("hr_at_10", "ndcg_at_50", "hr_at_50", "mrr")),
            ]
            for row in rows
        ],
    )


def _interval_cell(row: TableRow) -> str:
    if not row.intervals:
        return NOTHING
    low, high = (sum(ends) / len(ends) for ends in zip(*row.intervals, strict=True))
    return f"{low:.4f} to {high:.4f}"


def _difference_cell(comparison: ListComparison | None) -> str:
    if comparison is None:
        return NOTHING
    return f"{-comparison.difference:+.4f} ({-comparison.high:+.4f} to {-comparison.low:+.4f})"


def _lists_table(rows: Sequence[TableRow]) -> str:
    """What is in the lists, and what it took to make them."""
    header = ["model", "coverage", "novelty", "popular decile", "users of the test", "minutes", "trainings", "code"]
    return markdown(
        header,
        [
            [
                row.name,
                row.cell("coverage_at_10", ".1%"),
                row.cell("novelty_at_10", ".2f"),
                row.cell("popular_share_at_10", ".1%"),
                "unknown" if row.inductive else "known",
                f"{row.minutes:.1f}",
                str(len(row.scores)),
                code_cell(*row.made_by),
            ]
            for row in rows
        ],
    )


def summarize(by_protocol: dict[str, list[TableRow]]) -> str:
    """The table of NDCG@10 and HR@10 of `SUMMARY_MODELS` on both protocols; ``lists.md`` has all models."""
    rows_by_name = {protocol: {row.name: row for row in rows} for protocol, rows in by_protocol.items()}
    everyone = dict.fromkeys(row.name for rows in by_protocol.values() for row in rows)
    names = [name for name in everyone if name.strip("`").split()[0] in SUMMARY_MODELS]
    header = ["model", *(cell for protocol in by_protocol for cell in (f"{protocol}: NDCG@10", "HR@10"))]
    return markdown(
        header,
        [
            [name, *(cell for protocol in by_protocol for cell in _ndcg_and_hr(rows_by_name[protocol].get(name)))]
            for name in names
        ],
    )


def _ndcg_and_hr(row: TableRow | None) -> tuple[str, str]:
    return (NOTHING, NOTHING) if row is None else (f"{row.ndcg:.4f}", f"{row.mean('hr_at_10'):.4f}")


def _page(tables: str, ours: Collection[Result], external: Sequence[ExternalResult]) -> str:
    published = markdown(
        ["published", "source", "HR@10", "NDCG@10"],
        [[one.model, one.source, f"{one.hr_at_10:.3f}", f"{one.ndcg_at_10:.3f}"] for one in PUBLISHED],
        texts=2,
    )
    return f"""\
# Lists

How good the recommended lists are: a model ranks the whole catalogue except for the movies that the user has already
rated; the targets are movies that the user rated later. No candidates are sampled. This file is written by
`seqrec experiments lists --data DIR --out OUT`; `seqrec evaluate --task ranking --model NAME
--protocol leave-one-out|user-split --data DIR --json` computes a single row.

- `leave-one-out`: the last movie of each user is for test, the one before for validation, all others for training.
- `user-split`: a tenth of the users is for test, and none of their ratings is in training. The first half of a user's
  ratings is the history; the targets are the movies of the second half with 4 or 5 stars.
- HR@10: share of users with a target among the first ten. NDCG@10: discounted gain of the first ten, as a share of
  the greatest. MRR: mean reciprocal rank of a user's first target in the whole list. Coverage: share of the
  catalogue that is in the first ten of at least one user. Novelty: how rare the movies of the first tens are in
  training, in bits. Popular decile: share of the movies in all first tens that belong to the most popular tenth of
  those that were rated in training. `model/evaluation/ranking_metrics.py` defines them.
- Intervals hold 95 % of {RESAMPLES:,} resamples of the test users. *To the best* is the difference in NDCG@10 to the
  first row, with its paired interval: each resample holds the same users for both models. The first NDCG@10 is bold
  only where the paired interval to the second row leaves zero out. `-`: the ranks of the model's targets were not kept
  when it was measured.
- A model that was trained with several seeds shows the mean, and in brackets the smallest and the greatest value.
- *Code*: `recorded` is a result that carries what made it, which a test compares with the code of today
  ([how](../evaluation.md#what-made-a-result)). `not recorded` was measured before results carried what made them: it
  may be older than the code.
- `seqrec` ranks for two horizons: on `leave-one-out` by which movie comes next, on `user-split` by relevance, the
  movies that get 4 or 5 stars later. It is one network; `rank_by` chooses the horizon.
- `seqrec-best` averages the logits of two such networks. *Refitted*: it learns from the validation ratings too, as a
  model that is served learns from all; all other rows learn from the training ratings alone, as published ones do.
- Settings were chosen on validation. Minutes are of training and ranking on one thread of a CPU; those of other
  libraries include the choice of their settings.

![NDCG@10 of all models]({MODELS_FIGURE})

{tables}
Published values on `leave-one-out` of the same data set, for orientation: the copies of the data and the order of
ratings given in the same second may differ. The rows of
Klenitskiy and Vasilev are models of others that they trained.

{published}
{_own_training(ours)}## Settings of the other libraries

A model without a row on a protocol was not run there.

{_settings_table(external) if external else "None have been measured yet: see `benchmarks/`."}
"""


def _own_training(ours: Collection[Result]) -> str:
    """What is told of our own network alone; nothing where it has not been measured."""
    learning = PRESETS[SERVED_MODEL].ranking_training
    if not ours or learning is None:
        return ""
    weight = learning.relevance_weight
    return f"""\
## Training

At every step of every history, `seqrec` learns which movie comes next and, with a weight of {weight:g} beside 1, which
movies are relevant; the cross-entropy is the weighted sum of both. NDCG@10 is that of the next movie by the averaged
weights, for at most 1,000 validation users; no setting depends on it.

![Training curves]({CURVES_FIGURE})

## Diversity

With `diversity`, the list is chosen so that the genres and the popularity of its movies have the same proportions as
in the user's history (Steck 2018, "Calibrated recommendations"). *Distance* is the divergence of the first ten movies
from the history, on validation; 0 means the same proportions.

{"".join(_diversity_table(one) for one in ours)}
![NDCG@10 by distance from the history]({DIVERSITY_FIGURE})

"""


def _diversity_table(result: Result) -> str:
    header = ["diversity", "validation NDCG@10", "test NDCG@10", "coverage", "popular decile", "distance"]
    rows = [
        [
            f"{effect.diversity:g}",
            f"{effect.validation.ndcg_at_10:.4f}",
            f"{effect.test.ndcg_at_10:.4f}",
            f"{effect.test.coverage_at_10:.1%}",
            f"{effect.test.popular_share_at_10:.1%}",
            f"{effect.distance:.3f}",
        ]
        for effect in result.diversity
    ]
    return f"`{result.evaluation.protocol}`:\n\n{markdown(header, rows)}\n"


def _settings_table(external: Sequence[ExternalResult]) -> str:
    rows = [
        [
            one.model,
            one.protocol,
            f"{one.library} {one.version}",
            ", ".join(f"{k} {v}" for k, v in one.settings.items()),
        ]
        for one in external
    ]
    return markdown(["model", "protocol", "library", "chosen settings"], rows, texts=4)
