"""The movies of the database at one revision: candidates for lists, and the search by title."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from app.services.paging import Position
from app.storage.movies import MovieRecord
from seqrec.errors import InvalidField, InvalidRequest

WORD = re.compile(r"\w+")


class Filter(NamedTuple):
    """Which movies a list may contain.

    Attributes:
        genres: any of these; empty for all.
        year_from, year_to: of release, both included; a movie of unknown year passes neither.
        exclude: ids of movies to leave out.
    """

    genres: Sequence[str] = ()
    year_from: int | None = None
    year_to: int | None = None
    exclude: Sequence[int] = ()


class Catalogue:
    """All movies, in memory. It never changes; another revision of the database gets a new one."""

    def __init__(self, movies: Iterable[MovieRecord], times_rated: Callable[[Sequence[int]], Sequence[int]]) -> None:
        """``times_rated`` counts the ratings of movies in training, which order a search."""
        self.movies = {movie.id: movie for movie in movies}
        ids = list(self.movies)
        self._positions = {id_: (-int(times), id_) for id_, times in zip(ids, times_rated(ids), strict=True)}

    @cached_property
    def genres(self) -> tuple[str, ...]:
        """Names of all genres that any movie has."""
        return tuple(sorted({name for movie in self.movies.values() for name in movie.genres}))

    def select(self, wanted: Filter = Filter()) -> list[int]:  # noqa: B008 - a tuple cannot be changed
        """Ids of the movies that may be recommended; never hidden ones."""
        genres, excluded = self.match_genres(wanted.genres), set(wanted.exclude)
        return [
            movie.id
            for movie in self.movies.values()
            if not movie.hidden
            and movie.id not in excluded
            and (not genres or not genres.isdisjoint(movie.genres))
            and (wanted.year_from is None or (movie.year is not None and movie.year >= wanted.year_from))
            and (wanted.year_to is None or (movie.year is not None and movie.year <= wanted.year_to))
        ]

    def search(self, text: str, genres: Sequence[str], limit: int, after: Position | None) -> list[MovieRecord]:
        """Movies whose title has, for every word of the text, a word that begins with it; hidden ones too.

        Those rated most often in training come first. ``after`` is the position of a movie in this order.
        """
        wanted = self.match_genres(genres)
        ids: Iterable[int] = self._search_titles(text) if text.strip() else self.movies
        if wanted:
            ids = {id_ for id_ in ids if not wanted.isdisjoint(self.movies[id_].genres)}
        positions = sorted(self._positions[id_] for id_ in ids)
        start = 0 if after is None else bisect_left(positions, (after[0], after[1] + 1))
        return [self.movies[id_] for _, id_ in positions[start : start + limit]]

    def position(self, movie_id: int) -> Position:
        """A movie's position in the order of `search`."""
        return self._positions[movie_id]

    def match_genres(self, names: Sequence[str]) -> set[str]:
        """The genres of these names in any case; `InvalidRequest` lists names that no movie has."""
        asked = {name.casefold() for name in names}
        known = {name for name in self.genres if name.casefold() in asked}
        matched = {name.casefold() for name in known}
        if unknown := [name for name in names if name.casefold() not in matched]:
            message = f"there is no genre {', '.join(map(repr, unknown))}; there are {', '.join(self.genres)}"
            raise InvalidRequest([InvalidField(field="genre", message=message)])
        return known

    def _search_titles(self, text: str) -> set[int]:
        matches = [self._with_word(word) for word in WORD.findall(normalize_text(text))]
        return set.intersection(*matches) if matches else set()

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
        """Each word of each title with the movie's id, in alphabetical order."""
        titles = ((normalize_text(movie.title), movie.id) for movie in self.movies.values())
        return sorted({(word, id_) for title, id_ in titles for word in WORD.findall(title)})


def normalize_text(text: str) -> str:
    """Remove case and accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()
