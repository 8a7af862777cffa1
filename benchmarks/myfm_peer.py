"""Bayesian factorization machines of the library myFM on the random split: ``python -m benchmarks.myfm_peer --help``.

The best published RMSE on the random split is myFM's, with the day of each rating among its features. Here it knows
what SeqRec knows of the test users, their other ratings, and not the day.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, ClassVar

import myfm
import numpy as np
import typer
from pydantic import BaseModel
from scipy import sparse

from app.cli.console import reporter
from app.jobs.training import training_context
from app.settings import Settings
from model.card import Epoch, Evaluation
from model.data import dataset
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.bootstrap import Difference, paired_difference
from model.evaluation.evaluate import RatingEvaluator
from model.evaluation.rating_metrics import Predicted
from model.experiments.plan import Plan
from model.experiments.provenance import versions
from model.experiments.runs import RunStore
from model.files import atomic_write
from model.types import FloatArray, IntArray

SEQREC, PROTOCOL = "seqrec", "random"


class MyFm:
    """Bayesian SVD++ on both sides (Rendle, Zhang and Koren 2019): users, movies, and what is rated by whom.

    Args:
        vocabulary_size: movie indices, the unknown movie's included.
        factors: of each feature.
        sweeps: of the Gibbs sampler; predictions are the mean over the later half of them.
    """

    name = "myfm"
    inductive = False
    epochs: ClassVar[list[Epoch]] = []

    def __init__(self, vocabulary_size: int, factors: int, sweeps: int) -> None:
        self.vocabulary_size = vocabulary_size
        self.sweeps = sweeps
        self.machine = myfm.MyFMRegressor(rank=factors, random_seed=0)

    def fit(self, split: Split) -> None:
        """On all ratings but those of the test: no setting is chosen, so that validation may be learned from."""
        known = split.test.histories()
        users, movies = len(known), self.vocabulary_size
        rated = sparse.csr_matrix((np.ones(len(known.movies)), (known.user_index, known.movies)), (users, movies))
        self.of_users = sparse.hstack([sparse.identity(users), _each_of_length_1(rated)]).tocsr()
        self.of_movies = sparse.hstack([sparse.identity(movies), _each_of_length_1(rated.T)]).tocsr()
        self.machine.fit(
            _no_features(len(known.movies)),
            known.stars,
            X_rel=self._relations(known.user_index, known.movies),
            n_iter=self.sweeps,
            n_kept_samples=self.sweeps // 2,
            group_shapes=[users, movies, movies, users],
        )

    def predict(self, examples: Examples) -> Predicted:
        users = np.repeat(np.arange(len(examples)), examples.target_counts)
        movies = examples.sequences.movies[examples.targets]
        stars: FloatArray = self.machine.predict(_no_features(len(movies)), self._relations(users, movies))
        return Predicted(stars.astype(np.float32))

    def _relations(self, users: IntArray, movies: IntArray) -> list[myfm.RelationBlock]:
        """The features of each pair, by user and by movie."""
        return [myfm.RelationBlock(users, self.of_users), myfm.RelationBlock(movies, self.of_movies)]


def _each_of_length_1(rated: sparse.spmatrix) -> sparse.csr_matrix:
    """Rows of ones, divided by the root of their number (Koren 2008)."""
    counts = np.asarray(rated.sum(1)).ravel()
    return sparse.diags(1 / np.sqrt(np.maximum(counts, 1))) @ rated.tocsr()


def _no_features(rows: int) -> sparse.csr_matrix:
    """All features are relations."""
    return sparse.csr_matrix((rows, 0))


class Result(BaseModel):
    """myFM beside SeqRec, on the same test ratings.

    Attributes:
        evaluation: of myFM.
        difference: RMSE of SeqRec less that of myFM, and the ends of its 95 % interval by bootstrap over users.
    """

    data_checksum: str
    versions: dict[str, str]
    factors: int
    sweeps: int
    evaluation: Evaluation
    difference: Difference


def main(
    data: Annotated[Path, typer.Option(help="Folder of a MovieLens data set.")] = Path("data/ml-1m"),
    results: Annotated[Path, typer.Option(help="Folder of the results; SeqRec's row of it is compared with.")] = Path(
        "docs/results"
    ),
    factors: Annotated[int, typer.Option(help="Of each feature.")] = 10,
    sweeps: Annotated[int, typer.Option(help="Of the sampler.")] = 512,
) -> None:
    """Train myFM on the random split, and compare its error on each test rating with SeqRec's; writes myfm.json.

    SeqRec is trained too, unless its predictions are in the folder of the results.
    """
    own = next(run for run in Plan().table_4() if (run.model, run.protocol) == (SEQREC, PROTOCOL))
    with reporter() as progress:
        ratings = dataset.read(data)
        context = training_context(ratings, Settings(data=data), progress, resume=False)
        store = RunStore(results, ratings, context)
        predicted, divided = store.predictions(own), store.split(own)
        if predicted is None:
            raise typer.BadParameter(f"{results} says that SeqRec could not be run; remove its row.")
        peer = MyFm(len(ratings.catalogue.vocabulary), factors, sweeps)
        evaluated = RatingEvaluator().evaluate(peer, divided)
    test = divided.test
    users = np.repeat(np.arange(len(test)), test.target_counts)
    result = Result(
        data_checksum=ratings.checksum,
        versions=versions(context.device, myfm=version("myfm")),
        factors=factors,
        sweeps=sweeps,
        evaluation=evaluated.evaluation,
        difference=paired_difference(
            predicted, evaluated.answers.stars, test.target_stars, users, levels=test.rating_scale
        ),
    )
    with atomic_write(results / "myfm.json") as temporary:
        temporary.write_text(result.model_dump_json(indent=2) + "\n")
    low, high = result.difference.low, result.difference.high
    typer.echo(
        f"myFM: RMSE {evaluated.evaluation.rmse:.4f}; SeqRec {result.difference.rmse:+.4f} ({low:+.4f}, {high:+.4f})"
    )


if __name__ == "__main__":
    typer.run(main)
