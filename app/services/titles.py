"""Finds movies by title: as typed, with other spaces, or in another spelling."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from app.services.names import key_of, split_names, words_of
from app.storage.movies import MovieRecord
from model.features.catalogue import display_title

LAST_CHARACTER = "\U0010ffff"
"""Comes after all others in a sorted list."""


class Matches(NamedTuple):
    """Ids of movies by how well a title fits a text. Spaces do not count, nor what `key_of` leaves out.

    Attributes:
        equal: a name of the movie is the text.
        beginning: one begins with it.
        others: all else that the text may mean.
    """

    equal: set[int]
    beginning: set[int]
    others: set[int]


class TitleIndex:
    """The words of all titles, without case and accents, and their names, without spaces."""

    def __init__(self, movies: Iterable[MovieRecord]) -> None:
        self._ids: dict[str, set[int]] = {}
        names: list[tuple[str, int]] = []
        for movie in movies:
            for word in words_of(movie.title):
                self._ids.setdefault(word, set()).add(movie.id)
            names.extend((name, movie.id) for name in _names_in(movie.display_title))
        self._words = sorted(self._ids)
        names.sort()
        self._names = [name for name, _ in names]
        self._ids_of_names = [id_ for _, id_ in names]

    def find(self, text: str) -> Matches:
        """The movies that the text may mean.

        The first of these ways that finds any counts:

        1. Every word of the text begins a word of the title.
        2. The title contains the text if both are written without spaces, as "starwars" and "god father".
        3. Every word of the text is a word of the title but for a few letters, as "toy stroy"; the fewer the better.
        """
        words = words_of(text)
        if not words:
            return Matches(set(), set(), set())
        return self._by_fit(self._by_beginnings(words) or self._without_spaces(words) or self._by_spelling(words), text)

    def _by_fit(self, ids: set[int], text: str) -> Matches:
        equal: set[int] = set()
        beginning: set[int] = set()
        for typed in _spellings(display_title(text.title())):  # which knows articles by their capital
            start, middle = bisect_left(self._names, typed), bisect_right(self._names, typed)
            end = bisect_left(self._names, typed + LAST_CHARACTER)
            equal.update(ids.intersection(self._ids_of_names[start:middle]))
            beginning.update(ids.intersection(self._ids_of_names[middle:end]))
        return Matches(equal, beginning - equal, ids - beginning - equal)

    def _by_beginnings(self, words: Sequence[str]) -> set[int]:
        return set.intersection(*map(self._with_beginning, words))

    def _with_beginning(self, beginning: str) -> set[int]:
        start, end = (bisect_left(self._words, bound) for bound in (beginning, beginning + LAST_CHARACTER))
        return set().union(*(self._ids[word] for word in self._words[start:end]))

    def _without_spaces(self, words: Sequence[str]) -> set[int]:
        typed = "".join(words)
        return set(compress(self._ids_of_names, [typed in name for name in self._names]))

    def _by_spelling(self, words: Sequence[str]) -> set[int]:
        edits = [self._edits(word) for word in words]
        totals = {id_: sum(of_word[id_] for of_word in edits) for id_ in set.intersection(*map(set, edits))}
        fewest = min(totals.values(), default=0)
        return {id_ for id_, total in totals.items() if total == fewest}

    def _edits(self, word: str) -> dict[int, int]:
        """How many letters are wrong in the word, for each movie whose title may have it."""
        edits: dict[int, int] = {}
        similar = process.extract(word, self._words, scorer=OSA.distance, score_cutoff=most_edits(word), limit=None)
        for other, distance, _ in similar:  # the nearest first
            for id_ in self._ids[other]:
                edits.setdefault(id_, int(distance))
        return edits | dict.fromkeys(self._with_beginning(word), 0)


def most_edits(word: str) -> int:
    """How many letters of a word may be wrong, left out, added or swapped with the next."""
    return 0 if len(word) < 3 else 1 if len(word) < 6 else 2  # as search engines have it


def _names_in(spoken: str) -> set[str]:
    """What may be typed for a title as it is spoken: all of it, what stands outside brackets, or a name in them."""
    main, others = split_names(spoken)
    return set().union(*(_spellings(name) for name in {spoken, main, *others}))


def _spellings(name: str) -> set[str]:
    """A name without spaces, as it is written and as its key; fewer where these are equal or empty."""
    return {"".join(words_of(name)), key_of(name)} - {""}
