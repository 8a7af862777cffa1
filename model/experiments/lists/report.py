"""Writes the report of the list experiment: lists.md with its figures, and the summary in the README."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from model.card import RankingScore
from model.data.splits import PROTOCOLS
from model.experiments.lists.figures import draw_curves, draw_diversity, draw_models
from model.experiments.lists.runs import OUR_MODEL, ExternalResult, ListResults, Result
from model.experiments.report import around_summary, write_text
from model.experiments.tables import markdown

BEGIN, END = "<!-- lists: written by seqrec experiments lists -->", "<!-- end of lists -->"
"""The summary of the lists stands between these marks in a README."""

SUMMARY_MODELS = ("seqrec", "sasrec", "ease", "item-knn", "popularity")
"""Rows of the summary: our model, the best external baseline on either protocol, and our own baselines."""

MODELS_FIGURE, CURVES_FIGURE, DIVERSITY_FIGURE = "lists.png", "lists-training.png", "lists-diversity.png"


class Published(NamedTuple):
    """Published HR@10 and NDCG@10 on leave-one-out, of the whole catalogue; by the authors or in a comparison."""

    model: str
    hr_at_10: float
    ndcg_at_10: float


PUBLISHED = (
    Published("HSTU, full softmax (TensorFlow)", 0.342, 0.194),
    Published("HSTU-large", 0.329, 0.189),
    Published("SASRec, 3,000 negatives", 0.316, 0.186),
    Published("SASRec, full cross-entropy", 0.315, 0.182),
    Published("gSASRec, 256 negatives", 0.300, 0.173),
    Published("GRU4Rec, cross-entropy", 0.281, 0.165),
    Published("BERT4Rec", 0.284, 0.154),
)


class TableRow(NamedTuple):
    """A model and its score on one protocol."""

    name: str
    score: RankingScore | ExternalResult
    inductive: bool
    seconds: float


def write_lists(folder: Path, results: ListResults, readme: Path | None = None) -> None:
    """Write ``lists.md`` with its figures, and the summary into ``readme``, if given."""
    by_protocol = rank_models(results)
    draw_models(
        folder / MODELS_FIGURE,
        {
            protocol: [(row.name.strip("`"), row.score.ndcg_at_10) for row in rows]
            for protocol, rows in by_protocol.items()
        },
    )
    ours = {one.evaluation.protocol: one for one in results.own if one.evaluation.model == OUR_MODEL}
    draw_curves(folder / CURVES_FIGURE, {name: one.evaluation.learning_curve for name, one in ours.items()})
    draw_diversity(folder / DIVERSITY_FIGURE, {name: one.diversity for name, one in ours.items()})
    tables = "\n".join(f"## {protocol}\n\n{_models_table(rows)}" for protocol, rows in by_protocol.items())
    write_text(folder / "lists.md", _page(tables, ours.values(), results.external))
    if readme is not None:
        before, after = around_summary(readme, BEGIN, END)
        write_text(readme, f"{before}{BEGIN}\n{summarize(by_protocol)}{END}{after}")


def rank_models(results: ListResults) -> dict[str, list[TableRow]]:
    """All models on each protocol that has results, sorted by descending NDCG@10."""
    by_protocol = {protocol: _rank_models_of(results, protocol) for protocol in PROTOCOLS["ranking"]}
    return {protocol: rows for protocol, rows in by_protocol.items() if rows}


def _rank_models_of(results: ListResults, protocol: str) -> list[TableRow]:
    own = [one.evaluation for one in results.own if one.evaluation.protocol == protocol]
    external = [one for one in results.external if one.protocol == protocol]
    rows = [TableRow(f"`{one.model}`", one, one.inductive, one.seconds) for one in own]
    rows += [
        TableRow(f"{one.model} ({one.library} {one.version})", one, one.inductive, one.seconds) for one in external
    ]
    return sorted(rows, key=lambda row: -row.score.ndcg_at_10)


def _models_table(rows: Iterable[TableRow]) -> str:
    header = ["model", "NDCG@10", "HR@10", "MRR", "coverage", "popular decile", "users of the test", "minutes"]
    return markdown(
        header,
        [
            [
                row.name,
                f"{row.score.ndcg_at_10:.4f}",
                f"{row.score.hr_at_10:.4f}",
                f"{row.score.mrr:.4f}",
                f"{row.score.coverage_at_10:.1%}",
                f"{row.score.popular_share_at_10:.1%}",
                "unknown" if row.inductive else "known",
                f"{row.seconds / 60:.1f}",
            ]
            for row in rows
        ],
    )


def summarize(by_protocol: dict[str, list[TableRow]]) -> str:
    """The table of NDCG@10 and HR@10 of `SUMMARY_MODELS` on both protocols; ``lists.md`` has all models."""
    scores = {protocol: {row.name: row.score for row in rows} for protocol, rows in by_protocol.items()}
    everyone = dict.fromkeys(row.name for rows in by_protocol.values() for row in rows)
    names = [name for name in everyone if name.strip("`").split()[0] in SUMMARY_MODELS]
    header = ["model", *(cell for protocol in by_protocol for cell in (f"{protocol}: NDCG@10", "HR@10"))]
    return markdown(
        header,
        [
            [name, *(cell for protocol in by_protocol for cell in _ndcg_and_hr(scores[protocol].get(name)))]
            for name in names
        ],
    )


def _ndcg_and_hr(score: RankingScore | ExternalResult | None) -> tuple[str, str]:
    return ("-", "-") if score is None else (f"{score.ndcg_at_10:.4f}", f"{score.hr_at_10:.4f}")


def _page(tables: str, ours: Iterable[Result], external: Sequence[ExternalResult]) -> str:
    published = markdown(
        ["published", "HR@10", "NDCG@10"],
        [[one.model, f"{one.hr_at_10:.3f}", f"{one.ndcg_at_10:.3f}"] for one in PUBLISHED],
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
  catalogue that is in the first ten of at least one user. Popular decile: share of the movies in all first tens that
  belong to the most popular tenth of the catalogue. `model/evaluation/ranking_metrics.py` defines them.
- `seqrec` ranks for two horizons: on `leave-one-out` by which movie comes next, on `user-split` by relevance, the
  movies that get 4 or 5 stars later. It is one network; `rank_by` chooses the horizon.
- Settings were chosen on validation. Minutes are of training and ranking on one thread of a CPU; those of other
  libraries include the choice of their settings.

![NDCG@10 of all models]({MODELS_FIGURE})

{tables}
Published values on `leave-one-out` of the same data set, for orientation: the copies of the data and the order of
ratings given in the same second may differ.

{published}
## Training

At every step of every history, `seqrec` learns which movie comes next and, at half the weight, which movies are
relevant; the cross-entropy is the weighted sum of both. NDCG@10 is that of the next movie, for at most 1,000 validation
users; no setting depends on it.

![Training curves]({CURVES_FIGURE})

## Diversity

With `diversity`, the list is chosen so that the genres and the popularity of its movies have the same proportions as
in the user's history (Steck 2018, "Calibrated recommendations"). *Distance* is the divergence of the first ten movies
from the history, on validation; 0 means the same proportions.

{"".join(_diversity_table(one) for one in ours)}
![NDCG@10 by distance from the history]({DIVERSITY_FIGURE})

## Settings of the other libraries

A model without a row on a protocol was not run there.

{_settings_table(external) if external else "None have been measured yet: see `benchmarks/`."}
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
