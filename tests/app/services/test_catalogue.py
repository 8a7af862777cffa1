from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from app.services.catalogue.catalogue import Catalogue, Filter
from app.services.paging import Position
from app.services.search.titles import _Segment
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


def by_id(records: list[MovieRecord]) -> dict[int, MovieRecord]:
    return {movie.id: movie for movie in sorted(records, key=lambda movie: movie.id)}


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
    catalogue = Catalogue(by_id(records), scorer)

    for wanted in filters(random):
        expected = [movie.id for movie in records if passes(movie, wanted)]
        assert catalogue.select(wanted) == expected, wanted
        selected = np.flatnonzero(catalogue.mask(wanted))
        assert scorer.vocabulary.indices(expected).tolist() == selected.tolist()


def test_a_year_in_a_title_is_one_that_the_api_takes() -> None:
    assert range(EARLIEST_YEAR, LATEST_YEAR + 1) == YEARS


def best_known_first(scorer: Scorer) -> list[int]:
    ids = list(range(1, 81))
    times = dict(zip(ids, scorer.times_rated(scorer.indices(np.array(ids))).tolist(), strict=True))
    return sorted(ids, key=lambda id_: (-times[id_], id_))


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("m", ["M (1931)", "Matrix, The (1999)", "Men in Black (1997)", "Stand by Me (1986)"]),
        ("The Game", ["Game, The (1997)", "Games People Play, The (1970)", "Crying Game, The (1992)"]),
    ],
)
def test_the_title_that_is_typed_comes_before_better_known_ones(scorer: Scorer, text: str, titles: list[str]) -> None:
    from_best_known = [
        "Stand by Me (1986)",
        "Crying Game, The (1992)",
        "Matrix, The (1999)",
        "Men in Black (1997)",
        "Games People Play, The (1970)",
        "Game, The (1997)",
        "M (1931)",
    ]
    records = [
        MovieRecord(id_, title, None, (), False)
        for id_, title in zip(best_known_first(scorer), from_best_known, strict=False)
    ]

    assert [movie.title for movie, _ in Catalogue(by_id(records), scorer).search(text, (), 20, None)] == titles


def titled_movies(random: np.random.Generator) -> list[MovieRecord]:
    """With titles of which many are equal, or begin alike, and one genre each."""
    return [
        MovieRecord(
            id_, " ".join(random.choice(["go", "gold", "ego"], size=2)[: random.integers(1, 3)]), None, (genre,), False
        )
        for id_, genre in enumerate(random.choice(GENRES, size=80).tolist(), start=1)
    ]


def walk(catalogue: Catalogue, text: str, genres: tuple[str, ...], limit: int, after: Position | None) -> list[int]:
    """Ids on all pages behind this position."""
    ids = []
    while page := catalogue.search(text, genres, limit, after):
        ids += [movie.id for movie, _ in page]
        after = page[-1].position
    return ids


@pytest.mark.parametrize("genres", [(), ("Comedy", "Horror")])
@pytest.mark.parametrize("text", ["go", "gold", "g", "ego go", ""])
def test_pages_of_a_search_join_without_gaps_and_repeats(scorer: Scorer, text: str, genres: tuple[str, ...]) -> None:
    records = titled_movies(np.random.default_rng(0))
    catalogue = Catalogue(by_id(records), scorer)
    known = best_known_first(scorer)

    def order(movie: MovieRecord) -> tuple[bool, bool, int]:
        return movie.title != text, not movie.title.startswith(text), known.index(movie.id)

    expected = [
        movie.id
        for movie in sorted(records, key=order if text else lambda movie: known.index(movie.id))
        if all(any(word.startswith(typed) for word in movie.title.split()) for typed in text.split())
        and (not genres or movie.genres[0] in genres)
    ]
    assert len(expected) > 5
    for limit in (1, 2, 7, 1000):
        assert walk(catalogue, text, genres, limit, None) == expected


def test_a_position_in_the_order_of_popularity_alone_hides_no_movie(scorer: Scorer) -> None:
    catalogue = Catalogue(by_id(titled_movies(np.random.default_rng(0))), scorer)
    whole = walk(catalogue, "go", (), 1000, None)
    by_popularity = [id_ for id_ in best_known_first(scorer) if id_ in set(whole)]
    last = by_popularity[9]
    (times,) = scorer.times_rated(scorer.indices(np.array([last]))).tolist()

    assert {*by_popularity[:10], *walk(catalogue, "go", (), 7, (-times, last))} == set(whole)
    assert (
        walk(catalogue, "", (), 7, (-times, last))
        == best_known_first(scorer)[best_known_first(scorer).index(last) + 1 :]
    )


TITLES = ("Toy Story", "Star Wars", "Rocky II", "Rocky III", "Godfather, The", "Game, The", "Games People Play")
SEARCHES = ("toy", "starwars", "rocky 2", "rocky 1", "godfathr", "the game", "game", "1977", "nothing of this", "")


def test_a_catalogue_that_was_brought_up_to_date_answers_as_one_made_anew(scorer: Scorer) -> None:
    random = np.random.default_rng(0)
    records = by_id([any_movie(random, id_) for id_ in range(1, 81)])
    catalogue = Catalogue(records, scorer)

    for step in range(60):
        if step % 3 != 2:  # at times, several revisions pass before anyone searches
            catalogue.search("toy", (), 1, None)
        records = changed_somewhere(random, records)
        catalogue, anew = Catalogue(records, scorer, catalogue), Catalogue(records, scorer)

        assert catalogue.genres == anew.genres
        assert catalogue.recommendable.tolist() == anew.recommendable.tolist()
        assert catalogue.first((70, 3), 30) == anew.first((70, 3), 30)
        for wanted in (Filter(), Filter(anew.genres[:1], year_from=1970), Filter(genres_all=anew.genres[:2])):
            assert catalogue.select(wanted) == anew.select(wanted), (step, wanted)
            assert np.array_equal(catalogue.mask(wanted), anew.mask(wanted))
        for text in SEARCHES:
            assert walk(catalogue, text, (), 7, None) == walk(anew, text, (), 7, None), (step, text)


def any_movie(random: np.random.Generator, id_: int) -> MovieRecord:
    year = int(random.integers(1960, 2000))
    genres = tuple(sorted(random.choice((*GENRES, "Western"), size=random.integers(3), replace=False).tolist()))
    return MovieRecord(id_, f"{random.choice(TITLES)} ({year})", year, genres, bool(random.random() < 0.1))


def changed_somewhere(random: np.random.Generator, records: dict[int, MovieRecord]) -> dict[int, MovieRecord]:
    """One or a few movies added, anywhere in the order of the ids, changed or removed."""
    after = dict(records)
    for id_ in random.integers(1, 100, size=random.integers(1, 4)).tolist():
        if id_ in after and random.random() < 0.4:
            del after[id_]
        else:
            after[id_] = any_movie(random, id_)
    return dict(sorted(after.items()))


def test_titles_are_not_indexed_anew_for_a_movie_that_changes(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed: list[int] = []
    make = _Segment.__init__

    def counted(self: _Segment, movies: Iterable[MovieRecord]) -> None:
        listed = list(movies)
        indexed.append(len(listed))
        make(self, listed)

    monkeypatch.setattr(_Segment, "__init__", counted)
    records = by_id([any_movie(np.random.default_rng(0), id_) for id_ in range(1, 81)])
    catalogue = Catalogue(records, scorer)
    catalogue.search("toy", (), 1, None)
    for id_ in (5, 6, 5):
        records = records | {id_: MovieRecord(id_, "Alien (1979)", 1979, (), False)}
        catalogue = Catalogue(records, scorer, catalogue)

    assert [movie.id for movie, _ in catalogue.search("alien", (), 10, None)] == [5, 6]
    assert indexed == [80, 1, 2, 2]
