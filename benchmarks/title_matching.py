"""Measures how often a title of another site is found in the catalogue, and how often it is taken for another movie.

    python -m benchmarks.title_matching --data DIR --out docs/results/title-matching.md

Every title of the data set is damaged in the ways in which sites differ, and looked up. What is not in the catalogue is
asked for too: each fifth of the movies is looked up in a catalogue of the other four. It takes seconds.
"""

import random
import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from app.services.rating_import.formats import RatedTitle
from app.services.rating_import.matching import SAME_FROM, TitleMatcher
from app.services.search.names import IN_BRACKETS
from app.storage.movies import MovieRecord
from model.data import dataset
from model.features.catalogue import display_title

FOLDS = 5
THRESHOLDS = (80.0, 84.0, 86.0, SAME_FROM, 90.0, 92.0, 95.0, 100.0)

MOST_DAMAGES = 3
"""That one title has in the row of all together."""

ROMAN = {str(number): word for number, word in enumerate(("II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"), 2)}
ARABIC = {roman: arabic for arabic, roman in ROMAN.items()}
ACCENTED = str.maketrans("aeiouc", "áéïöúç")
LETTER = re.compile(r"[a-z]")
ARTICLE_FIRST = re.compile(r"^(The|An?|Les?|La|Il|El|Das|Der|Die) ([^(:]+?)(?=\s*(?:[(:]|$))")


class Asked(NamedTuple):
    """What another site calls a movie."""

    title: str
    year: int | None


Damage = Callable[[Asked, random.Random], Asked]


def as_spoken(asked: Asked, _: random.Random) -> Asked:
    return asked


def article_last(asked: Asked, _: random.Random) -> Asked:
    return asked._replace(title=ARTICLE_FIRST.sub(r"\2, \1", asked.title))


def accents_lost(asked: Asked, _: random.Random) -> Asked:
    decomposed = unicodedata.normalize("NFKD", asked.title)
    return asked._replace(title="".join(letter for letter in decomposed if not unicodedata.combining(letter)))


def accents_put(asked: Asked, chance: random.Random) -> Asked:
    letters = (letter.translate(ACCENTED) if chance.random() < 0.2 else letter for letter in asked.title)
    return asked._replace(title="".join(letters))


def punctuation_lost(asked: Asked, _: random.Random) -> Asked:
    return asked._replace(title=" ".join(re.sub(r"[^\w\s()&]", "", asked.title).split()))


def punctuation_changed(asked: Asked, _: random.Random) -> Asked:
    return asked._replace(title=asked.title.replace(": ", " - ").replace("'", "\u2019").replace("-", " "))


def ampersand(asked: Asked, _: random.Random) -> Asked:
    if "&" in asked.title:
        return asked._replace(title=asked.title.replace("&", "and"))
    return asked._replace(title=re.sub(r"\band\b", "&", asked.title, flags=re.IGNORECASE))


def numbers(asked: Asked, _: random.Random) -> Asked:
    """Roman for Arabic numbers, and Arabic for Roman ones."""
    words = (ROMAN.get(word) or ARABIC.get(word) or word for word in re.split(r"(\W+)", asked.title))
    return asked._replace(title="".join(words))


def other_name(asked: Asked, _: random.Random) -> Asked:
    """The name in brackets alone."""
    names = IN_BRACKETS.findall(asked.title)
    return asked._replace(title=names[0].strip()) if names else asked


def without_other_name(asked: Asked, _: random.Random) -> Asked:
    return asked._replace(title=IN_BRACKETS.sub(" ", asked.title).strip())


def year_off(asked: Asked, chance: random.Random) -> Asked:
    return asked if asked.year is None else asked._replace(year=asked.year + chance.choice((-1, 1)))


def year_lost(asked: Asked, _: random.Random) -> Asked:
    return asked._replace(year=None)


def slip(asked: Asked, chance: random.Random) -> Asked:
    """One letter left out, or swapped with the next."""
    places = [match.start() for match in LETTER.finditer(asked.title)][1:]
    if len(places) < 5:
        return asked
    place = chance.choice(places)
    pair = asked.title[place : place + 2]
    return asked._replace(
        title=asked.title[:place] + (pair[::-1] if chance.random() < 0.5 else pair[1:]) + asked.title[place + 2 :]
    )


DAMAGES: dict[str, Damage] = {
    "article at the end": article_last,
    "accents lost": accents_lost,
    "accents put where there are none": accents_put,
    "punctuation lost": punctuation_lost,
    "other punctuation": punctuation_changed,
    "`&` and \u201cand\u201d": ampersand,
    "Roman and Arabic numbers": numbers,
    "name in brackets alone": other_name,
    "name in brackets left out": without_other_name,
    "year off by one": year_off,
    "a letter lost or swapped": slip,
}


def all_together(asked: Asked, chance: random.Random) -> Asked:
    for damage in chance.sample(list(DAMAGES.values()), chance.randint(1, MOST_DAMAGES)):
        asked = damage(asked, chance)
    return asked


class Tally(NamedTuple):
    """Titles that were asked for, in the catalogue or not; found, rightly or not; and in doubt with the right one."""

    asked: int = 0
    there: int = 0
    right: int = 0
    wrong: int = 0
    offered: int = 0

    def __add__(self, other: object) -> "Tally":
        assert isinstance(other, Tally)  # noqa: S101 - a tuple's own addition is another one
        return Tally(*(one + two for one, two in zip(self, other, strict=True)))

    @property
    def precision(self) -> float:
        return self.right / max(self.right + self.wrong, 1)

    @property
    def recall(self) -> float:
        return self.right / max(self.there, 1)


def measure(
    matcher: TitleMatcher, movies: Sequence[MovieRecord], damage: Damage, *, there: bool, changed: bool = False
) -> Tally:
    """Look the damaged titles of these movies up; those that the damage leaves as they are only unless ``changed``."""
    chance, tally = random.Random(0), Tally()  # noqa: S311 - the same damages each time
    for movie in movies:
        whole = Asked(display_title(movie.title), movie.year)
        asked = damage(whole, chance)
        if changed and asked == whole:
            continue
        match = matcher.match(RatedTitle(1, asked.title, None, asked.year, 5.0, 5.0, None, None, None))
        is_right = match.movie is not None and match.movie.id == movie.id
        tally += Tally(
            asked=1,
            there=int(there),
            right=int(is_right),
            wrong=int(match.movie is not None and not is_right),
            offered=int(any(candidate.movie.id == movie.id for candidate in match.candidates)),
        )
    return tally


def absent(movies: Sequence[MovieRecord], damage: Damage, same_from: float) -> Tally:
    """Each fifth of the movies, looked up in a catalogue of the others."""
    total = Tally()
    for fold in range(FOLDS):
        others = [movie for place, movie in enumerate(movies) if place % FOLDS != fold]
        total += measure(TitleMatcher(others, same_from), movies[fold::FOLDS], damage, there=False)
    return total


def catalogue(folder: Path) -> list[MovieRecord]:
    movies = dataset.read(folder).movies.sort("movie_id")
    return [
        MovieRecord(id_, title, year, tuple(genres), False)
        for id_, title, year, genres in movies.select("movie_id", "title", "year", "genres").rows()
    ]


def report(movies: Sequence[MovieRecord]) -> str:
    """The page of figures."""
    matcher = TitleMatcher(movies)
    rows = {
        "as it is spoken": measure(matcher, movies, as_spoken, there=True),
        **{name: measure(matcher, movies, damage, there=True, changed=True) for name, damage in DAMAGES.items()},
    }
    started = time.process_time()
    rows[f"1 to {MOST_DAMAGES} of these together"] = measure(matcher, movies, all_together, there=True)
    seconds = time.process_time() - started
    rows["no year"] = measure(matcher, movies, year_lost, there=True)
    rows["not in the catalogue"] = absent(movies, all_together, SAME_FROM)
    thresholds = {
        same_from: measure(TitleMatcher(movies, same_from), movies, all_together, there=True)
        + absent(movies, all_together, same_from)
        for same_from in THRESHOLDS
    }
    return PAGE.format(
        movies=len(movies),
        most=MOST_DAMAGES,
        rows="\n".join(_row(name, tally) for name, tally in rows.items()),
        thresholds="\n".join(_threshold(same_from, tally) for same_from, tally in thresholds.items()),
        milliseconds=1000 * seconds / len(movies),
    )


def _threshold(same_from: float, tally: Tally) -> str:
    mark = "**" if same_from == SAME_FROM else ""
    return f"| {mark}{same_from:g}{mark} | {tally.precision:.4f} | {tally.recall:.4f} |"


def _row(name: str, tally: Tally) -> str:
    recall = f"{tally.recall:.4f}" if tally.there else "-"
    precision = f"{tally.precision:.4f}" if tally.there else "-"
    return f"| {name} | {tally.asked:,} | {recall} | {precision} | {tally.wrong:,} | {tally.offered:,} |"


PAGE = """\
# Titles of other sites

How often an import finds the movie that a title of another site means, by name and year alone. Written by

```sh
python -m benchmarks.title_matching --data DIR --out docs/results/title-matching.md
```

The {movies:,} titles of the data set, damaged in the ways in which sites differ, and looked up. *Recall*: the share
that is found. *Precision*: the share of what is found that is the right movie. *Wrong*: how often it is another movie.
*Offered*: how often the user is asked, and the right movie is among the candidates. Rows count the titles that the
damage changes.

| damage | titles | recall | precision | wrong | offered |
| --- | ---: | ---: | ---: | ---: | ---: |
{rows}

*Not in the catalogue*: each fifth of the movies, with 1 to {most} damages, looked up in a catalogue of the other four.
Nothing is right there, so all that is found is wrong.

## The threshold

Two names that are the same but for a few letters are taken for one if they are as alike as this, of 100. Each row
counts every movie twice, with 1 to {most} damages: in the catalogue, and not in it. The one in use is bold.

| alike from | precision | recall |
| ---: | ---: | ---: |
{thresholds}

A title takes {milliseconds:.2f} ms on one core.
"""


def main(
    data: Annotated[Path, typer.Option(help="Folder of a MovieLens data set.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
) -> None:
    """Write the page of figures."""
    out.write_text(report(catalogue(data)))


if __name__ == "__main__":
    typer.run(main)
