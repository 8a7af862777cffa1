"""Links of movies go into the database with a data set, and come out with it."""

from dataclasses import replace

import polars as pl
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.jobs.bulk_load import load
from app.jobs.extract import extract
from app.storage.movies import records
from model.data.dataset import MovieLens
from model.data.links import NO_LINKS


def with_links(data: MovieLens, *links: tuple[int, str | None, int | None]) -> MovieLens:
    return replace(data, links=pl.DataFrame(links, schema=NO_LINKS.schema, orient="row"))


def links_in(engine: Engine) -> list[tuple[int, str | None, int | None]]:
    with Session(engine) as session:
        found = records(session, [1, 2, 3]).values()
        return [(movie.id, movie.imdb_id, movie.tmdb_id) for movie in found]


def test_links_are_loaded_and_taken_out_again(engine: Engine, sample: MovieLens) -> None:
    linked = with_links(sample, (1, "tt0114709", 862), (2, "tt0113277", None))
    load(engine, linked)

    assert links_in(engine) == [(1, "tt0114709", 862), (2, "tt0113277", None), (3, None, None)]
    assert extract(engine).links.rows() == linked.links.rows()


def test_a_data_set_that_is_loaded_already_gets_the_links_it_lacks(loaded: Engine, sample: MovieLens) -> None:
    assert not load(loaded, with_links(sample, (1, "tt0114709", 862)))
    assert not load(loaded, with_links(sample, (1, "tt9999999", 1), (3, None, 7)))

    assert links_in(loaded) == [(1, "tt0114709", 862), (2, None, None), (3, None, 7)]
