"""Names of movies in a form that is the same however they are spelt.

Case, accents, punctuation and spaces do not count; nor does an article at the beginning or the end, ``&`` for "and",
and whether a number is a word, Roman or Arabic.
"""

import re
import unicodedata
from typing import NamedTuple

from model.features.catalogue import display_title

WORD = re.compile(r"\w+")

LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
"""Letters that have no accent to take off, by what they are written as without them."""

ARTICLES = {
    *("the", "a", "an", "le", "la", "les", "un", "une", "el", "los", "las", "il", "lo", "gli"),
    *("der", "die", "das", "den", "det", "o", "os", "as"),
}

WORDS_OF_NUMBERS = "one two three four five six seven eight nine ten eleven twelve thirteen"
ROMAN_NUMBERS = "i ii iii iv v vi vii viii ix x xi xii xiii"
NUMBERS = {
    word: str(number)
    for words in (WORDS_OF_NUMBERS, ROMAN_NUMBERS)
    for number, word in enumerate(words.split(), start=1)
}

IN_BRACKETS = re.compile(r"\(([^()]*)\)")
ALSO_KNOWN_AS = re.compile(r"^\s*a\.?\s?k\.?\s?a\.?\s+", re.IGNORECASE)
APOSTROPHES = re.compile(r"['\u2019\u02bc`\u00b4]")
BETWEEN_PARTS = re.compile(r":|\s[-\u2013]\s")

LEAST_PART = 4
"""Letters of a part of a title; a shorter one says too little."""


class Names(NamedTuple):
    """What a movie is called, as keys.

    Attributes:
        main: the title itself.
        others: names in brackets, and the original title.
        parts: what stands before and after a colon or a dash; empty without one.
    """

    main: str
    others: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key for key in (self.main, *self.others) if key))


def names_of(title: str, original_title: str | None = None) -> Names:
    """The names in a title as MovieLens has it, as "Boat, The (Das Boot) (1981)", or as any other site has it."""
    spoken = display_title(title)
    main, others = split_names(spoken)
    if original_title:
        others.append(display_title(original_title))
    parts = BETWEEN_PARTS.split(main)
    return Names(
        key_of(main) or key_of(spoken),
        tuple(key for key in map(key_of, others) if key),
        tuple(key for key in map(key_of, parts) if len(key) >= LEAST_PART) if len(parts) > 1 else (),
    )


def split_names(spoken: str) -> tuple[str, list[str]]:
    """What stands outside brackets, and the names in them, of a title as it is spoken."""
    if "(" not in spoken:
        return spoken, []
    return IN_BRACKETS.sub(" ", spoken), [ALSO_KNOWN_AS.sub("", name) for name in IN_BRACKETS.findall(spoken)]


def key_of(name: str) -> str:
    """A name without all that may differ in spelling; empty if it has no letter and no digit."""
    words = words_of(APOSTROPHES.sub("", name).replace("&", " and "))
    if len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    return "".join(NUMBERS.get(word, word) for word in words)


def words_of(text: str) -> list[str]:
    """The words without case and accents."""
    if text.isascii():  # as most titles are, and far faster
        return WORD.findall(text.lower())
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return WORD.findall(bare.casefold().translate(LETTERS))
