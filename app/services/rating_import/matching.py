"""Finds the movies of the catalogue that titles of other sites mean.

By the id of IMDb or TMDB where the catalogue has it, else by name and year. `benchmarks/title_matching.py` measures how
often that is right, and `docs/results/title-matching.md` has the figures that the thresholds were chosen by.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

from rapidfuzz import fuzz, process

from app.services.rating_import.formats import RatedTitle
from app.services.search.names import Names, names_of
from app.storage.movies import MovieRecord

SAME_FROM = 88.0
"""How alike two names have to be, of 100, to be taken for the same one."""

ALIKE_FROM = 72.0
"""How alike they have to be for the user to be asked."""

CLEARLY = 5.0
"""By how much more the most alike name has to be so than that of any other movie."""

YEARS_OFF = 1
"""A movie may come out in one country a year later than in another."""

YEARS_IN_DOUBT = 3
"""Of the same name and so many years apart, the user is asked."""

MOST_CANDIDATES = 5

K = TypeVar("K")

DIGITS = re.compile(r"\d+")

By = Literal["imdb_id", "tmdb_id", "title"]


class Candidate(NamedTuple):
    """A movie that may be meant, and how alike the names are, 0 to 1."""

    movie: MovieRecord
    similarity: float


class Match(NamedTuple):
    """What a title was found to mean.

    Attributes:
        movie: None if that is in doubt, or there is none.
        by: what the movie was found by; None without one.
        candidates: movies to choose from, the most alike first; empty unless there is a doubt.
    """

    movie: MovieRecord | None = None
    by: By | None = None
    candidates: Sequence[Candidate] = ()


class _Pool(NamedTuple):
    """Names, and the movie of each."""

    names: list[str]
    ids: list[int]


NO_NAMES = _Pool([], [])


def _of_one(movies: Iterable[tuple[K | None, MovieRecord]]) -> dict[K, MovieRecord]:
    """Movies by an id; what several movies have, or which is not known, says nothing."""
    of_id: defaultdict[K, list[MovieRecord]] = defaultdict(list)
    for id_, movie in movies:
        if id_ is not None:
            of_id[id_].append(movie)
    return {id_: having[0] for id_, having in of_id.items() if len(having) == 1}


class TitleMatcher:
    """The names and ids of all movies, to look titles up."""

    def __init__(self, movies: Iterable[MovieRecord], same_from: float = SAME_FROM) -> None:
        self._movies = {movie.id: movie for movie in movies}
        self._same_from = same_from
        self._names = {movie.id: names_of(movie.title) for movie in self._movies.values()}
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_part: defaultdict[str, list[int]] = defaultdict(list)
        for movie_id, names in self._names.items():
            for name in names.all:
                self._by_name[name].append(movie_id)
            for part in names.parts:
                self._by_part[part].append(movie_id)
        self._of_year: defaultdict[int | None, list[int]] = defaultdict(list)
        for movie in self._movies.values():
            self._of_year[movie.year].append(movie.id)
        self._pools: dict[int, _Pool] = {}
        self._by_imdb = _of_one((movie.imdb_id, movie) for movie in self._movies.values())
        self._by_tmdb = _of_one((movie.tmdb_id, movie) for movie in self._movies.values())

    def match(self, title: RatedTitle, *, compare: bool = True) -> Match:
        """The movie that a title means, or those that it may mean; without ``compare``, only by ids and same names."""
        if title.imdb_id in self._by_imdb:
            return Match(self._by_imdb[title.imdb_id], "imdb_id")
        if title.tmdb_id in self._by_tmdb:
            return Match(self._by_tmdb[title.tmdb_id], "tmdb_id")
        names = names_of(title.title, title.original_title)
        same = self._of_same_name(title, names)
        chosen = self._chosen(title, names, same) or self._by_a_part(title, names)
        if chosen is not None:
            return Match(self._movies[chosen], "title")
        return self._most_alike(title, names, same) if compare else Match()

    def _of_same_name(self, title: RatedTitle, names: Names) -> list[int]:
        """Movies that have a name of the title and may be as old, the closest in years first."""
        ids = dict.fromkeys(id_ for name in names.all for id_ in self._by_name.get(name, ()))
        near = [id_ for id_ in ids if self._gap(title, id_) <= YEARS_IN_DOUBT and self._may_be(title, id_)]
        return sorted(near, key=lambda id_: self._gap(title, id_))

    def _chosen(self, title: RatedTitle, names: Names, ids: Sequence[int]) -> int | None:
        """The one movie of these that is closest in years, and not too far."""
        close = [id_ for id_ in ids if self._gap(title, id_) <= YEARS_OFF]
        nearest = [id_ for id_ in close if self._gap(title, id_) == self._gap(title, close[0])]
        if len(nearest) > 1:  # a title counts more than another name
            nearest = [id_ for id_ in nearest if self._names[id_].main == names.main]
        return nearest[0] if len(nearest) == 1 else None

    def _by_a_part(self, title: RatedTitle, names: Names) -> int | None:
        """The one movie of just this year whose title has a subtitle that the other site leaves out, or the reverse."""
        ids = {
            *self._by_part.get(names.main, ()),
            *(id_ for part in names.parts for id_ in self._by_name.get(part, ())),
        }
        of_year = [id_ for id_ in ids if self._gap(title, id_) == 0 and self._may_be(title, id_)]
        return of_year[0] if len(of_year) == 1 else None

    def _most_alike(self, title: RatedTitle, names: Names, same: Sequence[int]) -> Match:
        """By similar names among movies of about the year; ``same`` are in doubt for their years alone."""
        similarities = dict.fromkeys(same, 100.0)
        for name in names.all:
            pool = self._around(title.year, name)
            found = process.extract(
                name, pool.names, scorer=fuzz.ratio, score_cutoff=ALIKE_FROM, limit=2 * MOST_CANDIDATES
            )
            for other, similarity, position in found:
                id_ = pool.ids[position]
                if self._may_be(title, id_):
                    is_same = DIGITS.findall(other) == DIGITS.findall(name)
                    capped = similarity if is_same else min(similarity, self._same_from - 1)
                    similarities[id_] = max(similarities.get(id_, 0.0), capped)
        ranked = sorted(similarities, key=similarities.__getitem__, reverse=True)
        if ranked and not same:
            second = similarities[ranked[1]] if len(ranked) > 1 else 0.0
            if similarities[ranked[0]] >= max(self._same_from, second + CLEARLY):
                return Match(self._movies[ranked[0]], "title")
        candidates = [Candidate(self._movies[id_], similarities[id_] / 100) for id_ in ranked[:MOST_CANDIDATES]]
        return Match(candidates=candidates)

    def _gap(self, title: RatedTitle, movie_id: int) -> int:
        """Years between the title and the movie; 1, which may be, where either is not known."""
        year = self._movies[movie_id].year
        return YEARS_OFF if title.year is None or year is None else abs(title.year - year)

    def _may_be(self, title: RatedTitle, movie_id: int) -> bool:
        """Whether the ids that both have, if any, do not speak against it."""
        movie = self._movies[movie_id]
        return not (
            (title.imdb_id and movie.imdb_id and title.imdb_id != movie.imdb_id)
            or (title.tmdb_id and movie.tmdb_id and title.tmdb_id != movie.tmdb_id)
        )

    def _around(self, year: int | None, name: str) -> _Pool:
        """The names of movies of about this year and of unknown year.

        For an unknown year, the names of all movies that begin with the same letter: to compare very many titles with
        very many movies would take minutes.
        """
        if year is None:
            return self._by_letter.get(name[0], NO_NAMES)
        if year not in self._pools:
            years = (None, *range(year - YEARS_OFF, year + YEARS_OFF + 1))
            ids = [id_ for one in years for id_ in self._of_year.get(one, ())]
            self._pools[year] = _pool((known, id_) for id_ in ids for known in self._names[id_].all)
        return self._pools[year]

    @cached_property
    def _by_letter(self) -> dict[str, _Pool]:
        """The names of all movies, by the first letter. In one go: a script may have thousands of letters."""
        pairs: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for id_, names in self._names.items():
            for known in names.all:
                pairs[known[0]].append((known, id_))
        return {letter: _pool(of_letter) for letter, of_letter in pairs.items()}


def _pool(pairs: Iterable[tuple[str, int]]) -> _Pool:
    names, ids = [], []
    for name, id_ in pairs:
        names.append(name)
        ids.append(id_)
    return _Pool(names, ids)
