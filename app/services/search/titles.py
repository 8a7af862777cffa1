"""Finds movies by title: as typed, with other spaces, or in another spelling."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import copy
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from app.services.search.names import NUMBERS, key_of, split_names, words_of
from app.storage.movies import MovieRecord
from model.features.catalogue import display_title, year_of

LAST_CHARACTER = "\U0010ffff"
"""Comes after all others in a sorted list."""


YEAR_LAST = re.compile(r"(?<=\w)\W+\d{2,4}\W*$")
"""A year, or its beginning, that is typed behind a title."""

MOST_CHANGED = 2_000
"""Movies in the segment of changed ones, which is built anew with each: some 50 milliseconds."""

LEAST_OF_YEAR = 2
"""Digits that may begin a year; a single one is the number of a part, as in "rocky 2"."""


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
    """All titles of a catalogue. It never changes; a few changed movies have a segment of their own in the next one."""

    def __init__(self, movies: Iterable[MovieRecord]) -> None:
        self._segments = [_Segment(movies)]
        self._changed: dict[int, MovieRecord | None] = {}

    def with_changed(self, ids: Collection[int], movies: Iterable[MovieRecord]) -> "TitleIndex | None":
        """The same after the movies of these ids have changed; one that is not among ``movies`` is gone.

        None if by now so many have changed that a new index is better.
        """
        changed = self._changed | dict.fromkeys(ids) | {movie.id: movie for movie in movies}
        if len(changed) > MOST_CHANGED:
            return None
        other = copy(self)
        other._changed = changed
        other._segments = [self._segments[0], _Segment(movie for movie in changed.values() if movie is not None)]
        return other

    def find(self, text: str) -> Matches:
        """The movies that the text may mean.

        The first of these ways that finds any counts:

        1. Every word of the text begins a word of the title or, from two digits on, its year, or is the same number,
           as "2", "II" and "two".
        2. The title contains the text if both are written without spaces, as "starwars" and "god father".
        3. Every word of the text is a word of the title but for a few letters, as "toy stroy"; the fewer the better.
        4. The text without a 1 at its end, as "rocky 1" and "godfather part one": first parts seldom have their number.
        """
        ids = self._meant(text)
        if not ids and _is_first(words := words_of(text)):
            text = _without_number(words)
            ids = self._meant(text)
        return self._by_fit(ids, text)

    def _meant(self, text: str) -> set[int]:
        words = words_of(text)
        if not words:
            return set()
        ids = self._found(lambda segment: segment.by_beginnings(words)) or self._found(
            lambda segment: segment.without_spaces(text)
        )
        return ids or self._by_spelling(words)

    def _found(self, way: Callable[["_Segment"], set[int]]) -> set[int]:
        """What the segments find in one of the ways; what has changed, the last one alone."""
        first, *last = map(way, self._segments)
        return (first - self._changed.keys()).union(*last)

    def _by_spelling(self, words: Sequence[str]) -> set[int]:
        first, *last = (segment.by_spelling(words) for segment in self._segments)
        totals = {id_: total for id_, total in first.items() if id_ not in self._changed}
        for others in last:
            totals |= others
        fewest = min(totals.values(), default=0)
        return {id_ for id_, total in totals.items() if total == fewest}

    def _by_fit(self, ids: set[int], text: str) -> Matches:
        spoken = display_title(text.title())  # which knows articles by their capital
        spellings = _spellings(spoken) | _spellings(YEAR_LAST.sub("", spoken))
        equal = ids & self._found(lambda segment: segment.named(spellings))
        beginning = ids & self._found(lambda segment: segment.with_name_beginning(spellings))
        return Matches(equal, beginning - equal, ids - beginning - equal)


class _Segment:
    """The words of some titles, without case and accents, and their names, without spaces."""

    def __init__(self, movies: Iterable[MovieRecord]) -> None:
        self._ids: dict[str, set[int]] = {}
        self._with_number: dict[str, set[int]] = {}  # that is a word or Roman in the title, by its digits
        self._of_year: dict[str, set[int]] = {}
        names: list[tuple[str, int]] = []
        for movie in movies:
            for word in words_of(movie.display_title):
                self._ids.setdefault(word, set()).add(movie.id)
                if word in NUMBERS:
                    self._with_number.setdefault(NUMBERS[word], set()).add(movie.id)
            for year in {movie.year, year_of(movie.title)} - {None}:
                self._of_year.setdefault(str(year), set()).add(movie.id)
            names.extend((name, movie.id) for name in _names_in(movie.display_title))
        self._words = sorted(self._ids)
        self._words_and_years = [*self._words, *(self._of_year.keys() - self._ids.keys())]
        names.sort()
        self._names = [name for name, _ in names]
        self._ids_of_names = [id_ for _, id_ in names]

    def named(self, spellings: Iterable[str]) -> set[int]:
        """Movies of which a name is one of these spellings."""
        return {
            id_
            for typed in spellings
            for id_ in self._ids_of_names[bisect_left(self._names, typed) : bisect_right(self._names, typed)]
        }

    def with_name_beginning(self, spellings: Iterable[str]) -> set[int]:
        """Movies of which a name begins with one of these spellings and goes on."""
        return {
            id_
            for typed in spellings
            for id_ in self._ids_of_names[
                bisect_right(self._names, typed) : bisect_left(self._names, typed + LAST_CHARACTER)
            ]
        }

    def by_beginnings(self, words: Sequence[str]) -> set[int]:
        """The first way of `TitleIndex.find`."""
        return set.intersection(*map(self._with_word, words))

    def _with_word(self, word: str) -> set[int]:
        """Movies of which it begins a word of the title or the year, or is a number of the title."""
        start, end = (bisect_left(self._words, bound) for bound in (word, word + LAST_CHARACTER))
        number = NUMBERS.get(word, word)
        years = [year for year in self._of_year if year.startswith(word)] if len(word) >= LEAST_OF_YEAR else []
        return set().union(
            *(self._ids[other] for other in self._words[start:end]),
            self._ids.get(number, ()),
            self._with_number.get(number, ()),
            *(self._of_year[year] for year in years),
        )

    def without_spaces(self, text: str) -> set[int]:
        """The second way: by the text with the numbers as they are written, and with all in digits."""
        ids: set[int] = set()
        for typed in _spellings(text):
            places = (place for place, name in enumerate(self._names) if typed in name)
            whole = re.compile(typed + r"(?!\d)") if typed[-1].isdecimal() else None  # 1 is not in 10
            ids.update(self._ids_of_names[place] for place in places if not whole or whole.search(self._names[place]))
        return ids

    def by_spelling(self, words: Sequence[str]) -> dict[int, int]:
        """The third way: how many letters of all words are wrong, for each movie whose title may have them."""
        edits = [self._edits(word) for word in words]
        return {id_: sum(of_word[id_] for of_word in edits) for id_ in set.intersection(*map(set, edits))}

    def _edits(self, word: str) -> dict[int, int]:
        """How many letters are wrong in the word, for each movie whose title may have it."""
        edits: dict[int, int] = {}
        similar = process.extract(
            word, self._words_and_years, scorer=OSA.distance, score_cutoff=most_edits(word), limit=None
        )
        for other, distance, _ in similar:  # the nearest first
            for id_ in self._ids.get(other, set()) | self._of_year.get(other, set()):
                edits.setdefault(id_, int(distance))
        return edits | dict.fromkeys(self._with_word(word), 0)


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


def _is_first(words: Sequence[str]) -> bool:
    return len(words) > 1 and NUMBERS.get(words[-1], words[-1]) == "1"


def _without_number(words: Sequence[str]) -> str:
    """The text before the number at its end, and before "part" in front of that."""
    return " ".join(words[:-2] if words[-2] == "part" else words[:-1])
