from collections.abc import Iterator

import numpy as np

from app.services.catalogue import Catalogue, Filter
from app.storage.movies import MovieRecord
from model.features.catalogue import YEARS
from model.inference.scorer import Scorer
from seqrec.limits import EARLIEST_YEAR, LATEST_YEAR

GENRES = ("Comedy", "Drama", "Horror")


def movies(random: np.random.Generator) -> list[MovieRecord]:
    """Some with years, some hidden, of one or two genres or none."""
    return [
        MovieRecord(
            id_,
            f"Movie {id_}",
            int(random.integers(1950, 2000)) if random.random() < 0.9 else None,
            tuple(sorted(random.choice(GENRES, size=random.integers(3), replace=False))),
            bool(random.random() < 0.1),
        )
        for id_ in range(1, 81)
    ]


def filters(random: np.random.Generator) -> Iterator[Filter]:
    for _ in range(200):
        first, last = sorted(random.integers(1945, 2005, size=2).tolist())
        yield Filter(
            tuple(random.choice(["comedy", "Drama", "HORROR"], size=random.integers(3), replace=False)),
            first if random.random() < 0.5 else None,
            last if random.random() < 0.5 else None,
            tuple(random.integers(1, 100, size=random.integers(4)).tolist()),
        )


def passes(movie: MovieRecord, wanted: Filter) -> bool:
    genres = {name.casefold() for name in wanted.genres}
    return (
        not movie.hidden
        and movie.id not in wanted.exclude
        and (not genres or any(name.casefold() in genres for name in movie.genres))
        and (wanted.year_from is None or (movie.year is not None and movie.year >= wanted.year_from))
        and (wanted.year_to is None or (movie.year is not None and movie.year <= wanted.year_to))
    )


def test_a_filter_selects_the_movies_that_pass_it_one_by_one(scorer: Scorer) -> None:
    random = np.random.default_rng(0)
    records = movies(random)
    catalogue = Catalogue(records, scorer)

    for wanted in filters(random):
        expected = [movie.id for movie in records if passes(movie, wanted)]
        assert catalogue.select(wanted) == expected, wanted
        selected = np.flatnonzero(catalogue.mask(wanted))
        assert scorer.catalogue.vocabulary.indices(expected).tolist() == selected.tolist()


def test_a_year_in_a_title_is_one_that_the_api_takes() -> None:
    assert range(EARLIEST_YEAR, LATEST_YEAR + 1) == YEARS
