"""Measures a service whose catalogue is large: its lists, its searches, and what a change of one movie costs.

    python -m benchmarks.served_catalogue --artifact DIR --data DIR --out FILE

The movies are those of `benchmarks.large_catalogue`, and the users and ratings those of the data set, in SQLite. A
million movies take 6 minutes and 18 GiB of memory; ``--movies 100000`` measures fewer alone.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import polars as pl
import torch
import typer

from app.jobs import bulk_load
from app.storage.database import connect, upgrade
from benchmarks.large_catalogue import enlarged
from benchmarks.page import write_or_show
from benchmarks.serving import servers
from benchmarks.serving.client import Client
from benchmarks.serving.load import Request
from model.data import dataset
from model.data.dataset import MovieLens
from model.features.catalogue import FIRST_INDEX, Catalogue
from model.inference.artifact import Artifact, load, save

REPEATS = 15

SIZES = [100_000, 1_000_000]
"""Movies: as many as MovieLens 32M has, and ten times as many."""


def with_movies(data: MovieLens, trained: Catalogue, catalogue: Catalogue) -> MovieLens:
    """The users and ratings of a data set, and the movies of another catalogue; a rated one is that of its index."""
    index = {movie_id: number for number, movie_id in enumerate(trained.movie_ids, start=FIRST_INDEX)}
    kind = data.ratings.schema["movie_id"]
    movies = pl.DataFrame(
        {
            "movie_id": catalogue.movie_ids,
            "title": catalogue.titles,
            "year": [None] * len(catalogue.titles),
            "genres": catalogue.genres,
        },
        schema=data.movies.schema,
    )
    ratings = data.ratings.with_columns(movie_id=pl.col("movie_id").replace_strict(index, return_dtype=kind))
    return replace(data, movies=movies, ratings=ratings, links=data.links.clear(), checksum="enlarged")


def written(artifact: Artifact, data: Path, movies: int, folder: Path) -> dict[str, str]:
    """An artifact and a database of so many movies in a folder, and the settings of a service for them."""
    network, catalogue = enlarged(artifact, movies)
    numbered = (f"{title} {number}" for number, title in enumerate(catalogue.titles, start=FIRST_INDEX))
    catalogue = replace(catalogue, titles=tuple(numbered))
    (folder / "artifacts").mkdir()
    save(folder / "artifacts", network, catalogue, artifact.card)
    url = f"sqlite:///{folder}/seqrec.db"
    engine = connect(url)
    upgrade(engine)
    bulk_load.load(engine, with_movies(dataset.read(data), artifact.catalogue, catalogue))
    engine.dispose()
    return {"SEQREC_DATABASE_URL": url, "SEQREC_ARTIFACTS": str(folder / "artifacts")}


def rows(client: Client) -> list[tuple[str, float, float]]:
    """What is asked, the milliseconds of the first request and the median of the next ones; each of another user."""
    users = iter(range(1, 6000))

    def listed(options: str = "") -> Callable[[], Request]:
        return lambda: Request("GET", f"/users/{next(users)}/recommendations?limit=10{options}")

    def asked(path: str) -> Callable[[], Request]:
        return lambda: Request("GET", path)

    def row(what: str, request: Callable[[], Request]) -> tuple[str, float, float]:
        first = client.time(request())
        return what, first, client.latency(request() for _ in range(REPEATS)).median

    measured = [
        row("list of a user who is new to the process", listed()),
        row("the same, of one genre", listed("&genre=Film-Noir")),
        row("the same, with reasons", listed("&explain=true")),
        row("the same, by rating", listed("&rank_by=rating")),
        row("similar movies", asked("/movies/1/similar")),
        row("search", asked("/movies?q=godfather")),
        row("popular movies", asked("/movies/popular")),
    ]
    client.ask(Request("PATCH", "/movies/5", json.dumps({"title": "Another title (1999)"})))
    measured.append(row("list after the title of a movie has changed", listed()))
    added = client.ask(Request("POST", "/movies", json.dumps({"title": "A new one (2026)", "genres": ["Drama"]})))
    path = f"/movies/{added['movie_id']}"
    measured.append(row("list after a movie has been added", listed()))
    client.ask(Request("PATCH", path, json.dumps({"genres": ["Comedy"]})))
    measured.append(row("list after that one has other genres", listed()))
    client.time(Request("DELETE", path))
    measured.append(row("list after it has been deleted", listed()))
    measured.append(row("search after these changes", asked("/movies?q=another+title")))
    return measured


def section(artifact: Path, data: Path, movies: int) -> list[str]:
    """Serve a catalogue of so many movies, and time what is asked of it."""
    with TemporaryDirectory(prefix="seqrec-catalogue-") as temporary:
        folder = Path(temporary)
        environment = written(load(artifact), data, movies, folder)
        with servers.service(environment, folder / "log") as server, Client(server.port) as client:
            memory, began = server.memory() / 1024, time.perf_counter()
            measured = rows(client)
            seconds, memory_after = time.perf_counter() - began, server.memory() / 1024
    return [
        f"## {movies:,} movies\n",
        f"Ready after {server.seconds_to_ready:.0f} s, with {memory:.1f} GiB of memory; {memory_after:.1f} GiB after",
        f"these requests, which took {seconds:.0f} s.\n",
        "| asked | the first, ms | then, ms |",
        "| --- | ---: | ---: |",
        *(f"| {what} | {first:,.0f} | {then:,.1f} |" for what, first, then in measured),
        "",
    ]


def main(
    artifact: Annotated[Path, typer.Option(help="Folder of an artifact with lists.")],
    data: Annotated[Path, typer.Option(help="Folder of the MovieLens data set that it was trained with.")],
    movies: Annotated[list[int], typer.Option(help="Of a generated catalogue; several give several.")] = SIZES,
    out: Annotated[Path | None, typer.Option(help="Markdown; left out: on the screen.")] = None,
) -> None:
    """Serve large catalogues, and time what is asked of them, by one client."""
    torch.set_num_threads(1)
    lines = [
        "# A service with a large catalogue\n",
        "`python -m benchmarks.served_catalogue`: generated movies, the users and ratings of MovieLens 1M in SQLite,",
        f"one client. The first request of a kind may prepare what the next {REPEATS} only use; of those, the median",
        "is shown.\n",
        *(line for size in movies for line in section(artifact, data, size)),
    ]
    write_or_show("\n".join(lines), out)


if __name__ == "__main__":
    typer.run(main)
