"""Generates a data set in the file format of MovieLens 1M, for use where the real one is not available.

Users and movies are made up, but there is something to learn. Every movie has a quality; every user has a mean and a
taste for some genres. And users have moods: they watch several movies of one genre in a row, and like them better while
the mood lasts. A bias model can learn quality and mean only, so that better models can be told from it.
"""

import json
from pathlib import Path

import numpy as np

from model.data.dataset import SAMPLE_MARKER
from model.data.formats import ML_1M
from model.features.users import AGES, OCCUPATIONS
from model.files import atomic_folder

NAME = "sample"

WORDS = {
    "Action": (["Iron", "Rapid", "Burning", "Final"], ["Pursuit", "Bullet", "Convoy", "Vengeance"]),
    "Animation": (["Tiny", "Singing", "Paper", "Magic"], ["Squirrel", "Teapot", "Balloon", "Dragon"]),
    "Comedy": (["Clumsy", "Borrowed", "Runaway", "Silly"], ["Butler", "Wedding", "Neighbours", "Vacation"]),
    "Drama": (["Silent", "Broken", "Distant", "Fading"], ["Letters", "Harvest", "Promise", "Orchard"]),
    "Horror": (["Haunted", "Hollow", "Crawling", "Midnight"], ["Cellar", "Scarecrow", "Asylum", "Fog"]),
    "Romance": (["Tender", "Secret", "Summer", "Parisian"], ["Kiss", "Waltz", "Longing", "Affair"]),
    "Sci-Fi": (["Orbital", "Quantum", "Android", "Lunar"], ["Colony", "Paradox", "Signal", "Exodus"]),
    "Western": (["Dusty", "Lonesome", "Crooked", "Golden"], ["Saddle", "Sheriff", "Canyon", "Stagecoach"]),
}
GENRES = tuple(WORDS)

MOOD_CHANGE = 0.12
"""Chance that a user's mood moves to another genre after a movie."""

LAST_RATING = 1_000_000_000
"""Unix seconds; each user's ratings begin up to 116 days before."""


def write_sample(folder: Path, users: int = 800, movies: int = 400, seed: int = 0) -> None:
    """Generate a data set into ``folder``, always the same for the same arguments.

    The file ``sample.json`` in the folder marks the data as generated.
    """
    random = np.random.default_rng(seed)
    catalogue = _Movies(movies, random)
    lines = dict(zip(ML_1M.files, (_user_lines(users, random), catalogue.lines(), []), strict=True))
    lines["ratings.dat"] = [line for user in range(1, users + 1) for line in _rating_lines(user, catalogue, random)]
    marker = {"name": NAME, "generated": True, "seed": seed, "users": users, "movies": movies}
    with atomic_folder(folder, replace=True) as temporary:
        for name, content in lines.items():
            (temporary / name).write_text("".join(f"{line}\n" for line in content), encoding="iso-8859-1")
        (temporary / SAMPLE_MARKER).write_text(json.dumps(marker, indent=2) + "\n")


class _Movies:
    """The generated catalogue: each movie has one or two genres, a quality and a popularity."""

    def __init__(self, count: int, random: np.random.Generator) -> None:
        self.main = random.integers(len(GENRES), size=count)
        self.second = np.where(random.random(count) < 0.4, random.integers(len(GENRES), size=count), self.main)
        self.quality = random.normal(0.0, 0.45, count)
        # A heavy tail, as in real data: few movies get most of the ratings.
        self.popularity = random.pareto(1.2, count) + 0.2
        self.years = random.integers(1950, 2001, count)

    def lines(self) -> list[str]:
        lines, used = [], dict[str, int]()
        for index, (main, second, year) in enumerate(zip(self.main, self.second, self.years, strict=True)):
            firsts, seconds = WORDS[GENRES[main]]
            title = f"The {firsts[index % len(firsts)]} {seconds[index // len(firsts) % len(seconds)]}"
            used[title] = used.get(title, 0) + 1
            part = f" {used[title]}" if used[title] > 1 else ""
            genres = "|".join(sorted({GENRES[main], GENRES[second]}))
            lines.append(f"{index + 1}::{title}{part} ({year})::{genres}")
        return lines

    def fit_to(self, taste: np.ndarray) -> np.ndarray:
        """How well each movie fits a taste, one value a genre: the mean over its two genres."""
        mean: np.ndarray = (taste[self.main] + taste[self.second]) / 2
        return mean


def _user_lines(count: int, random: np.random.Generator) -> list[str]:
    genders, ages = random.choice(["F", "M"], count), random.choice(AGES, count)
    occupations = random.integers(OCCUPATIONS, size=count)
    people = zip(genders, ages, occupations, strict=True)
    return [f"{user}::{gender}::{age}::{job}::00000" for user, (gender, age, job) in enumerate(people, start=1)]


def _rating_lines(user: int, movies: _Movies, random: np.random.Generator) -> list[str]:
    taste = random.normal(0.0, 1.0, len(GENRES))
    mean = 3.5 + random.normal(0.0, 0.4)
    count = min(int(20 + random.exponential(50)), len(movies.main) // 2)
    seen = np.zeros(len(movies.main), dtype=bool)
    mood = random.choice(len(GENRES), p=_softmax(taste))
    start = LAST_RATING - int(random.integers(10_000_000))
    lines = []
    for step in range(count):
        if random.random() < MOOD_CHANGE:
            mood = random.choice(len(GENRES), p=_softmax(taste))
        in_mood = (movies.main == mood) | (movies.second == mood)
        weights = movies.popularity * np.where(in_mood, 12.0, 1.0) * ~seen
        movie = random.choice(len(weights), p=weights / weights.sum())
        seen[movie] = True  # nobody rates a movie twice
        liking = mean + movies.quality[movie] + 0.8 * movies.fit_to(taste)[movie] + 0.3 * in_mood[movie]
        stars = int(np.clip(np.rint(liking + random.normal(0.0, 0.5)), 1, 5))
        lines.append(f"{user}::{movie + 1}::{stars}::{start + 60 * step}")
    return lines


def _softmax(values: np.ndarray) -> np.ndarray:
    weights = np.exp(values - values.max())
    shares: np.ndarray = weights / weights.sum()
    return shares
