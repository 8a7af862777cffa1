"""Finds movies by title: as typed, with other spaces, or in another spelling."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property

from rapidfuzz import process
from rapidfuzz.distance import OSA

from app.storage.movies import MovieRecord

WORD = re.compile(r"\w+")

LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
"""Letters that have no accent to take off, by what they are written as without them."""

LAST_CHARACTER = "\U0010ffff"
"""Comes after all others in a sorted list."""


class TitleIndex:
    """The words of all titles, without case and accents."""

    def __init__(self, movies: Iterable[MovieRecord]) -> None:
        self._movies = movies
        self._ids: dict[str, set[int]] = {}
        for movie in movies:
            for word in words_of(movie.title):
                self._ids.setdefault(word, set()).add(movie.id)
        self._words = sorted(self._ids)

    def find(self, text: str) -> set[int]:
        """Ids of the movies that the text may mean.

        The first of these ways that finds any counts:

        1. Every word of the text begins a word of the title.
        2. The title contains the text if both are written without spaces, as "starwars" and "god father".
        3. Every word of the text is a word of the title but for a few letters, as "toy stroy"; the fewer the better.
        """
        words = words_of(text)
        if not words:
            return set()
        return self._by_beginnings(words) or self._without_spaces("".join(words)) or self._by_spelling(words)

    def _by_beginnings(self, words: Sequence[str]) -> set[int]:
        return set.intersection(*map(self._with_beginning, words))

    def _with_beginning(self, beginning: str) -> set[int]:
        start, end = (bisect_left(self._words, bound) for bound in (beginning, beginning + LAST_CHARACTER))
        return set().union(*(self._ids[word] for word in self._words[start:end]))

    def _without_spaces(self, text: str) -> set[int]:
        return {id_ for id_, title in self._joined.items() if text in title}

    @cached_property
    def _joined(self) -> dict[int, str]:
        """Each title in the order in which it is spoken, without spaces."""
        return {movie.id: "".join(words_of(movie.display_title)) for movie in self._movies}

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


def words_of(text: str) -> list[str]:
    """The words without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return WORD.findall(bare.casefold().translate(LETTERS))
