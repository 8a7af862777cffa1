"""Measures lists from a very large catalogue: by the index, and by comparing all movies.

    python -m benchmarks.large_catalogue --artifact DIR --data DIR --movies 1000000 --out FILE

The catalogue is generated: each movie has the values of one that the artifact was trained with, and noise half as large
as their spread. The users are those of the data set. A million movies take about 12 GiB of memory and some minutes.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.page import write_or_show
from model.data import dataset
from model.data.sequences import Sequences
from model.features.catalogue import Catalogue
from model.features.history import Rated
from model.features.users import UserContext
from model.inference.artifact import Artifact, load
from model.inference.cold_start import MOVIE_DIMENSIONS
from model.inference.encoding.catalogue import EncodedCatalogue
from model.inference.index import INDEXED_ABOVE, MovieIndex
from model.inference.ranking import UserRanking
from model.inference.user_state import UserState
from model.network.rating import SeqRec
from model.types import BoolArray

SHARES = (1.0, 0.5, 0.1, 0.03, 0.01)
"""Of the movies that a filter leaves."""

LISTED = 10


def enlarged(artifact: Artifact, movies: int) -> tuple[SeqRec, Catalogue]:
    """A network of so many movies, which are like those of the artifact, and their catalogue."""
    trained = artifact.network
    source = torch.randint(1, len(trained.movies), (movies + 1,), generator=torch.Generator().manual_seed(0))
    source[0] = 0  # the unknown movie
    names = [artifact.catalogue.titles[index - 1] for index in source[1:].tolist()]
    genres = [artifact.catalogue.genres[index - 1] for index in source[1:].tolist()]
    catalogue = replace(
        artifact.catalogue, movie_ids=tuple(range(1, movies + 1)), titles=tuple(names), genres=tuple(genres)
    )
    network = SeqRec(trained.config, trained.movies.genres[source], trained.movies.titles[source])
    network.load_state_dict(
        {
            name: value.index_select(MOVIE_DIMENSIONS[name], source) if name in MOVIE_DIMENSIONS else value
            for name, value in trained.state_dict().items()
        },
        assign=True,  # copied, they would be in memory twice
    )
    weights = network.require_ranking().members[0].movies.embedding.weight
    with torch.no_grad():
        weights += 0.5 * weights.std(0) * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1))
    return network.eval(), catalogue


def readers(data: Path, catalogue: Catalogue, count: int) -> list[UserContext]:
    """The first users of a data set; their movies are those of the enlarged catalogue with the same index."""
    sequences = Sequences.of(dataset.read(data))
    histories = [slice(*sequences.offsets[user : user + 2]) for user in range(count)]
    return [
        UserContext(
            history=[
                Rated(catalogue.movie_ids[index - 1], float(stars))
                for index, stars in zip(sequences.movies[own], sequences.stars[own], strict=True)
            ]
        )
        for own in histories
    ]


def milliseconds(work: Callable[[UserState], object], catalogue: EncodedCatalogue, users: list[UserContext]) -> float:
    """Median time of some work on a user whose history has been read."""
    times = []
    for user in users:
        state = UserState(catalogue, user)
        _ = state.queries
        started = time.perf_counter()
        work(state)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1000


def found_share(
    exact: EncodedCatalogue, indexed: EncodedCatalogue, users: list[UserContext], among: BoolArray
) -> float:
    """Of the first ten of the users by comparing all movies, how many the index finds."""
    shares = []
    for user in users:
        expected, found = (
            UserState(catalogue, user).best("relevance", among, LISTED)[:LISTED].tolist()
            for catalogue in (exact, indexed)
        )
        shares.append(len(set(expected) & set(found)) / LISTED)
    return float(np.mean(shares))


@torch.inference_mode()
def main(
    artifact: Annotated[Path, typer.Option(help="Folder of an artifact with lists.")],
    data: Annotated[Path, typer.Option(help="Folder of a MovieLens data set.")],
    movies: Annotated[int, typer.Option(help="Of the generated catalogue.", min=INDEXED_ABOVE)] = 1_000_000,
    users: Annotated[int, typer.Option(help="How many users have a list.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Markdown; left out: on the screen.")] = None,
) -> None:
    """Time lists of ten by the index and by comparing all movies, on one thread, and count what the index misses."""
    torch.set_num_threads(1)
    network, catalogue = enlarged(load(artifact), movies)
    started = time.perf_counter()
    index = MovieIndex.of(network)
    built = time.perf_counter() - started
    exact = EncodedCatalogue.of(network, catalogue.vocabulary)
    indexed = replace(exact, index=index)
    people = readers(data, catalogue, users)
    everything = np.ones(movies + 1, dtype=bool)

    def ten(among: BoolArray, state: UserState) -> object:
        return UserRanking(state, "relevance").best(among, LISTED)

    lines = [
        "# Lists from a very large catalogue\n",
        f"`python -m benchmarks.large_catalogue`: {movies:,} generated movies, {users} users with real histories, one",
        f"thread. The index took {built:.0f} s to build. Times are medians of the first list of ten after the history",
        "has been read.\n",
        "| filter leaves | all compared, ms | by the index, ms | of the first ten, found |",
        "| ---: | ---: | ---: | ---: |",
    ]
    random = np.random.default_rng(0)
    for share in SHARES:
        among = everything if share == 1 else random.random(movies + 1) < share
        slow, fast = (milliseconds(partial(ten, among), one, people) for one in (exact, indexed))
        found = found_share(exact, indexed, people, among)
        lines.append(f"| {share:.0%} | {slow:.0f} | {fast:.1f} | {found:.3f} |")
    write_or_show("\n".join(lines) + "\n", out)


if __name__ == "__main__":
    typer.run(main)
