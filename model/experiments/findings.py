"""All results of the experiment that are there."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.card import DataSource
from model.data.dataset import MovieLens
from model.data.summary import Imbalance, imbalance
from model.experiments.ablation import Ablation
from model.experiments.comparisons import Comparison, find_comparison
from model.experiments.plan import OUR_MODEL, Plan, found
from model.experiments.rows import Result, Rows
from model.experiments.variants import Variant
from model.pipeline import source


@dataclass(frozen=True)
class Findings:
    """What the report tells of, in the order of the plan.

    Attributes:
        models: Table 4.
        unfinished: titles of the rows that Table 4 does not have yet.
        ablations: Table 5.
        variants: our model with one thing changed, and its difference to the model itself.
        contenders: our model and its opponents on the paper's split, for a closer look at their errors.
        other_seeds: of the further splits of users.
    """

    data: DataSource
    imbalance: Imbalance
    models: list[Result]
    unfinished: list[str]
    ablations: list[tuple[Ablation, Result]]
    variants: list[tuple[Variant, Result, Comparison]]
    comparisons: list[Comparison]
    contenders: list[Result]
    other_seeds: Sequence[tuple[int, int]]

    @classmethod
    def gathered(cls, data: MovieLens, rows: Rows, plan: Plan) -> "Findings":
        models = found(rows, plan.table_4())
        ablations = [(ablation, rows.find(row)) for ablation, row in plan.table_5()]
        comparisons = [find_comparison(rows, ours, other) for ours, other in plan.pairs(models)]
        return cls(
            data=source(data),
            imbalance=imbalance(data),
            models=models,
            unfinished=[row.title for row in plan.table_4() if rows.find(row) is None],
            ablations=[(ablation, result) for ablation, result in ablations if result is not None],
            variants=_variants(rows, plan),
            comparisons=[comparison for comparison in comparisons if comparison is not None],
            contenders=_contenders(models, plan),
            other_seeds=plan.other_seeds,
        )


def _variants(rows: Rows, plan: Plan) -> list[tuple[Variant, Result, Comparison]]:
    results = []
    for variant, varied, whole in plan.variants():
        result, comparison = rows.find(varied), find_comparison(rows, varied, whole)
        if result is not None and comparison is not None:
            results.append((variant, result, comparison))
    return results


def _contenders(models: Sequence[Result], plan: Plan) -> list[Result]:
    """Our model, the bias model and the best rival, on the paper's split."""
    names = [OUR_MODEL, *plan.opponents(models, inductive=False)]
    tested = {result.model: result for result in models if result.protocol == "paper" and result.evaluation is not None}
    return [tested[name] for name in names if name in tested]
