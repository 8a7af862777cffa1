"""What the values of people's own data mean: stars, times, titles and genres, each as an expression on texts."""

from typing import NamedTuple

import numpy as np
import polars as pl

from model.data.formats import NO_GENRES
from model.features.catalogue import YEAR

THUMBS = {"true": "1", "false": "0", "yes": "1", "no": "0", "like": "1", "dislike": "0", "up": "1", "down": "0"}

SCALES = ((0, 1), (-1, 1), (0, 5), (1, 7), (1, 10), (0, 10), (-10, 10), (1, 100), (0, 100))
"""Known scales; the first that holds all ratings is taken, if they are not stars."""

WHOLE, HALVES = (1.0, 5.0), (0.5, 5.0)
"""The worst and the best number of stars."""

DAYS = (19000101, 21001231)
"""The first and the last number that may be a day in digits alone."""

DATES = "dates, in UTC where they name no zone"
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
LARGEST_IN_SECONDS = 1e11
"""A time of more is in the next smaller unit: in seconds it is in the year 5138, in milliseconds in 1973."""

ISO = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(?:[.,]\d+)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?$"

BREAKS = r"[\s\x00-\x1f\x7f]+"
"""What a cell of one line has a space for."""


class Scale(NamedTuple):
    """A linear map from ratings to stars.

    Attributes:
        low, high: the worst and the best rating.
        stars: what these two become.
    """

    low: float
    high: float
    stars: tuple[float, float]

    def apply(self, rating: pl.Expr) -> pl.Expr:
        """Stars, in halves; null for a rating that is not on the scale."""
        worst, best = self.stars
        share = (rating - self.low) / (self.high - self.low)
        halves = ((worst + share * (best - worst)) * 2 + 0.5).floor() / 2
        return pl.when(rating.is_between(self.low, self.high)).then(halves)

    def rating(self, stars: float) -> float:
        """The other way, from stars of any fraction."""
        worst, best = self.stars
        return self.low + (stars - worst) / (best - worst) * (self.high - self.low)

    def __str__(self) -> str:
        if (self.low, self.high) == self.stars:
            return "stars as they are, in halves"
        return f"{self.low:g} to {self.high:g} become {self.stars[0]:g} to {self.stars[1]:g} stars"


def scale_of(ratings: pl.Series, given: tuple[float, float] | None) -> Scale:
    """The scale of these ratings: the given one, or a known one that holds them all.

    It becomes whole stars from 1 on where it has five whole numbers or fewer, else half stars from 0.5 on.
    """
    numbers = ratings.drop_nulls().to_numpy()
    low, high = given or _guess(numbers.min(), numbers.max())
    if (low, high) in (WHOLE, HALVES):
        return Scale(low, high, (low, high))
    return Scale(low, high, WHOLE if high - low < 5 else HALVES)


def _guess(lowest: float, highest: float) -> tuple[float, float]:
    if lowest >= HALVES[0] and highest <= HALVES[1]:
        return HALVES
    known = (scale for scale in SCALES if scale[0] <= lowest and highest <= scale[1])
    return next(known, (lowest, highest))


def number(text: pl.Expr) -> pl.Expr:
    """The number of a rating; thumbs count 0 and 1."""
    return _finite(text.str.to_lowercase().replace(THUMBS))


def time_number(text: pl.Expr) -> pl.Expr:
    """A number as it is, a date or time by ISO 8601 in seconds since 1970; UTC where it names no zone."""
    parts = text.str.extract_groups(ISO).struct
    zone = parts["4"].replace({"Z": "+0000", "UTC": "+0000"}).str.replace(":", "").fill_null("+0000")
    clock = parts["2"].fill_null("00:00") + parts["3"].fill_null(":00")
    moment = (parts["1"] + "T" + clock + zone).str.to_datetime("%Y-%m-%dT%H:%M:%S%z", strict=False)
    return pl.coalesce(_finite(text), moment.dt.epoch("s").cast(pl.Float64))


def day_number(time: pl.Expr) -> pl.Expr:
    """Of a number such as 20240115 the day in seconds since 1970; null for other numbers."""
    digits = pl.when(time.is_between(*DAYS)).then(time.cast(pl.Int64, strict=False).cast(pl.String))
    return digits.str.to_date("%Y%m%d", strict=False).dt.epoch("s").cast(pl.Float64)


def is_date(time: pl.Expr) -> pl.Expr:
    """Whether a text of which there is a `time_number` is a date, and not a number."""
    return _finite(time).is_null()


def _finite(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def unit_of(times: pl.Series) -> str:
    """The unit of times since 1970: that in which most of them are a time of today's calendar."""
    numbers = times.drop_nulls().to_numpy()
    median = np.median(numbers) if len(numbers) else 0
    return next((unit for unit, size in UNITS.items() if median / size < LARGEST_IN_SECONDS), "nanoseconds")


def one_line(text: pl.Expr) -> pl.Expr:
    """The text in one line; null where nothing is left of it."""
    plain = text.str.replace_all(BREAKS, " ").str.strip_chars()
    return pl.when(plain != "").then(plain)


def titles(title: pl.Expr, year: pl.Expr) -> pl.Expr:
    """Titles in one line, with the year in brackets at the end where it is known; null for none."""
    plain = one_line(title)
    four_digits = year.str.extract(r"^(\d{4})(?:-\d{2}-\d{2}.*)?$")
    dated = four_digits.is_not_null() & ~plain.str.contains(YEAR)
    return pl.when(dated).then(plain + " (" + four_digits + ")").otherwise(plain)


def genre_names(genres: pl.Expr) -> pl.Expr:
    """Genres separated by ``|``, from names separated by ``|``, ``;``, ``,`` or lines, or in a JSON list."""
    of_objects = (
        genres.str.replace_all(BREAKS, " ")
        .str.extract_all(r"""["']name["']\s*:\s*(?:"[^"]+|'[^']+)""")
        .list.eval(pl.element().str.replace(r"""^["']name["']\s*:\s*["']""", ""))
    )
    plain = genres.str.replace_all(r"[|;,\r\n]", "|").str.replace_all(BREAKS, " ").str.split("|")
    names = pl.when(of_objects.list.len() > 0).then(of_objects).otherwise(plain)
    name = pl.element().str.replace_all(r"[\[\]{}|;,]", " ").str.strip_chars(" \t\"'")
    clean = names.list.eval(name.filter(name != ""))
    joined = clean.list.unique(maintain_order=True).list.join("|")
    return pl.when(joined != "").then(joined).otherwise(pl.lit(NO_GENRES))
