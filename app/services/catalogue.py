"""The movies of the database as they were at one revision: what may be recommended, and the search by title."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from app.services.paging import Place
from app.storage.movies import MovieRecord
from seqrec.errors import InvalidField, InvalidRequest

WORD = re.compile(r"\w+")


class Filter(NamedTuple):
    """Which movies a list may have.

    Attributes:
        genres: any of these; empty for all.
        year_from, year_to: of release, both included; a movie without a year passes neither.
        exclude: ids of movies to leave out.
    """

    genres: Sequence[str] = ()
    year_from: int | None = None
    year_to: int | None = None
    exclude: Sequence[int] = ()


class Catalogue:
    """All movies, in memory; never changed, but replaced when the database's revision is another."""

    def __init__(self, movies: Iterable[MovieRecord], times_rated: Callable[[Sequence[int]], Sequence[int]]) -> None:
        """``times_rated`` tells how often movies were rated in training, which orders a search."""
        self.movies = {movie.id: movie for movie in movies}
        ids = list(self.movies)
        self._places = {id_: (-int(times), id_) for id_, times in zip(ids, times_rated(ids), strict=True)}

    @cached_property
    def genres(self) -> tuple[str, ...]:
        """Names of all genres that some movie has."""
        return tuple(sorted({name for movie in self.movies.values() for name in movie.genres}))

    def among(self, wanted: Filter = Filter()) -> list[int]:  # noqa: B008 - a tuple cannot be changed
        """Ids of the movies that may be recommended, hidden ones never."""
        genres, excluded = self.named_genres(wanted.genres), set(wanted.exclude)
        return [
            movie.id
            for movie in self.movies.values()
            if not movie.hidden
            and movie.id not in excluded
            and (not genres or not genres.isdisjoint(movie.genres))
            and (wanted.year_from is None or (movie.year is not None and movie.year >= wanted.year_from))
            and (wanted.year_to is None or (movie.year is not None and movie.year <= wanted.year_to))
        ]

    def search(self, text: str, genres: Sequence[str], limit: int, after: Place | None) -> list[MovieRecord]:
        """Movies whose title has, for every word of the text, a word that begins like it; hidden ones too.

        Those most rated in training come first. ``after`` is the place of a movie in this order.
        """
        wanted = self.named_genres(genres)
        found: Iterable[int] = self._titled(text) if text.strip() else self.movies
        if wanted:
            found = {id_ for id_ in found if not wanted.isdisjoint(self.movies[id_].genres)}
        places = sorted(self._places[id_] for id_ in found)
        start = 0 if after is None else bisect_left(places, (after[0], after[1] + 1))
        return [self.movies[id_] for _, id_ in places[start : start + limit]]

    def place(self, movie_id: int) -> Place:
        """Where a movie stands in the order of `search`."""
        return self._places[movie_id]

    def named_genres(self, names: Sequence[str]) -> set[str]:
        """The genres meant, whatever their case; `InvalidRequest` names those that no movie has."""
        asked = {name.casefold() for name in names}
        known = {name for name in self.genres if name.casefold() in asked}
        found = {name.casefold() for name in known}
        if unknown := [name for name in names if name.casefold() not in found]:
            message = f"there is no genre {', '.join(map(repr, unknown))}; there are {', '.join(self.genres)}"
            raise InvalidRequest([InvalidField(field="genre", message=message)])
        return known

    def _titled(self, text: str) -> set[int]:
        found = [self._with_word(word) for word in WORD.findall(folded(text))]
        return set.intersection(*found) if found else set()

    def _with_word(self, beginning: str) -> set[int]:
        start = bisect_left(self._words, (beginning, 0))
        ids = set()
        for word, id_ in self._words[start:]:
            if not word.startswith(beginning):
                break
            ids.add(id_)
        return ids

    @cached_property
    def _words(self) -> list[tuple[str, int]]:
        """Each word of each title, in the order of the words."""
        titles = ((folded(movie.title), movie.id) for movie in self.movies.values())
        return sorted({(word, id_) for title, id_ in titles for word in WORD.findall(title)})


def folded(text: str) -> str:
    """Without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()
