"""What the experiment with lists leaves for readers: a page, its figures, and the summary in the README."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from model.card import RankingScore
from model.data.splits import PROTOCOLS
from model.experiments.lists.figures import draw_curves, draw_diversity, draw_models
from model.experiments.lists.runs import DIVERSE, Lists, Peer, Result
from model.experiments.report import around_summary
from model.experiments.storage import write_text
from model.experiments.tables import markdown

BEGIN, END = "<!-- lists: written by seqrec experiments lists -->", "<!-- end of lists -->"
"""Between these, a README has the summary of the lists."""

SUMMARY_MODELS = ("seqrec", "sasrec", "ease", "item-knn", "popularity")
"""Rows of the summary: our model, the best external baseline on either protocol, and our own baselines."""

MODELS_FIGURE, CURVES_FIGURE, DIVERSITY_FIGURE = "lists.png", "lists-training.png", "lists-diversity.png"


class Published(NamedTuple):
    """HR@10 and NDCG@10 on leave-one-out, with the whole catalogue ranked, as its authors or a comparison say."""

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


class Line(NamedTuple):
    """A model in a table."""

    name: str
    score: RankingScore | Peer
    inductive: bool
    seconds: float


def write_lists(folder: Path, lists: Lists, readme: Path | None = None) -> None:
    """Write ``lists.md`` with its figures; the summary goes into ``readme``, where one is given."""
    by_protocol = lines(lists)
    draw_models(
        folder / MODELS_FIGURE,
        {
            protocol: [(line.name.strip("`"), line.score.ndcg_at_10) for line in lines]
            for protocol, lines in by_protocol.items()
        },
    )
    ours = {one.evaluation.protocol: one for one in lists.results if one.evaluation.model == DIVERSE}
    draw_curves(folder / CURVES_FIGURE, {name: one.evaluation.learning_curve for name, one in ours.items()})
    draw_diversity(folder / DIVERSITY_FIGURE, {name: one.diversity for name, one in ours.items()})
    tables = "\n".join(f"## {protocol}\n\n{_table(lines)}" for protocol, lines in by_protocol.items())
    write_text(folder / "lists.md", _page(tables, ours.values(), lists.peers))
    if readme is not None:
        before, after = around_summary(readme, BEGIN, END)
        write_text(readme, f"{before}{BEGIN}\n{summary(by_protocol)}{END}{after}")


def lines(lists: Lists) -> dict[str, list[Line]]:
    """Every model on each protocol that has any, the best first."""
    by_protocol = {protocol: _lines(lists, protocol) for protocol in PROTOCOLS["ranking"]}
    return {protocol: found for protocol, found in by_protocol.items() if found}


def _lines(lists: Lists, protocol: str) -> list[Line]:
    """Every model on one protocol, the best first."""
    own = [one.evaluation for one in lists.results if one.evaluation.protocol == protocol]
    lines = [Line(f"`{one.model}`", one, one.inductive, one.seconds) for one in own]
    peers = [one for one in lists.peers if one.protocol == protocol]
    lines += [Line(f"{one.model} ({one.library} {one.version})", one, one.inductive, one.seconds) for one in peers]
    return sorted(lines, key=lambda line: -line.score.ndcg_at_10)


def _table(lines: Iterable[Line]) -> str:
    header = ["model", "NDCG@10", "HR@10", "MRR", "coverage", "popular decile", "users of the test", "minutes"]
    return markdown(
        header,
        [
            [
                line.name,
                f"{line.score.ndcg_at_10:.4f}",
                f"{line.score.hr_at_10:.4f}",
                f"{line.score.mrr:.4f}",
                f"{line.score.coverage_at_10:.1%}",
                f"{line.score.popular_share_at_10:.1%}",
                "unknown" if line.inductive else "known",
                f"{line.seconds / 60:.1f}",
            ]
            for line in lines
        ],
    )


def summary(by_protocol: dict[str, list[Line]]) -> str:
    """NDCG@10 and HR@10 of `SUMMARY_MODELS` on both protocols; ``lists.md`` has all models."""
    values = {protocol: {line.name: line.score for line in lines} for protocol, lines in by_protocol.items()}
    everyone = dict.fromkeys(line.name for lines in by_protocol.values() for line in lines)
    names = [name for name in everyone if name.strip("`").split()[0] in SUMMARY_MODELS]
    header = ["model", *(cell for protocol in by_protocol for cell in (f"{protocol}: NDCG@10", "HR@10"))]
    return markdown(
        header,
        [[name, *(cell for protocol in by_protocol for cell in _two(values[protocol].get(name)))] for name in names],
    )


def _two(score: RankingScore | Peer | None) -> tuple[str, str]:
    return ("-", "-") if score is None else (f"{score.ndcg_at_10:.4f}", f"{score.hr_at_10:.4f}")


def _page(tables: str, ours: Iterable[Result], peers: Sequence[Peer]) -> str:
    published = markdown(
        ["published", "HR@10", "NDCG@10"],
        [[one.model, f"{one.hr_at_10:.3f}", f"{one.ndcg_at_10:.3f}"] for one in PUBLISHED],
    )
    return f"""\
# Lists

What a list is worth: a model orders the whole catalogue, without what the user has rated, and is asked for what the
user rated next. Nothing is sampled. Written by `seqrec experiments lists --data DIR --out OUT`, a single row by
`seqrec evaluate --task ranking --model NAME --protocol leave-one-out|user-split --data DIR --json`.

- `leave-one-out`: the last movie of each user is for test, the one before for validation, all others for training.
- `user-split`: a tenth of the users is for test, and nothing of them is known in training. Given the first half of
  each history, which movies of the second half got 4 or 5 stars?
- HR@10: share of users with a target among the first ten. NDCG@10: discounted gain of the first ten, as a share of
  the greatest. MRR: mean reciprocal rank of a user's first target in the whole list. Coverage: share of the
  catalogue that is in anyone's first ten. Popular decile: share of the entries of all first tens that are of the most
  popular tenth of the movies. `model/evaluation/ranking_metrics.py` defines them.
- `seqrec` has two orders: on `leave-one-out` it is asked for the movie that comes next, on `user-split` for movies that
  are liked from there on. It is one network; `rank_by` says which.
- Settings were chosen on validation. Minutes are of training and ranking on one thread of a CPU; those of other
  libraries include the choice of their settings.

![NDCG@10 of all models]({MODELS_FIGURE})

{tables}
Values of others on `leave-one-out` of the same data set, for orientation: their copies of the data and the
order of ratings given in the same second may differ.

{published}
## Training

`seqrec` learns at every step of every history which movie comes next and, at half the weight, which are liked later:
the cross-entropy is that of both. NDCG@10 is by what comes next, for at most 1,000 users of the validation examples; it
decides nothing.

![Training curves]({CURVES_FIGURE})

## Diversity

With `diversity`, a list is chosen so that genres and popularity of its movies come in the proportions of the
user's history (Steck 2018, "Calibrated recommendations"). *Distance* is the divergence of the first ten from the
history, on validation; 0 would be the same proportions.

{"".join(_diversity_table(one) for one in ours)}
![What diversity gives and takes]({DIVERSITY_FIGURE})

## Settings of the other libraries

{_settings_table(peers) if peers else "None is measured yet: see `benchmarks/`."}
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


def _settings_table(peers: Sequence[Peer]) -> str:
    rows = [
        [
            one.model,
            one.protocol,
            f"{one.library} {one.version}",
            ", ".join(f"{k} {v}" for k, v in one.settings.items()),
        ]
        for one in peers
    ]
    return markdown(["model", "protocol", "library", "chosen settings"], rows, texts=4)
