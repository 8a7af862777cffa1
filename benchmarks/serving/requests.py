"""What is asked of the service."""

import json
import random
from collections.abc import Callable, Sequence

from benchmarks.serving.ground import Population
from benchmarks.serving.load import Request

N = 10
"""Movies in a list."""

WORDS = ("star", "love", "the godfather", "man", "toy sto", "dark", "sea", "king", "night", "a")

POPULAR = Request("GET", f"/movies/popular?limit={N}")


def recommend(user: int) -> Request:
    return Request("GET", f"/users/{user}/recommendations?limit={N}")


def reasons(user: int, rank_by: str) -> Request:
    return Request("GET", f"/users/{user}/recommendations?limit={N}&explain=true&rank_by={rank_by}")


def predict(user: int, movie: int) -> Request:
    return Request("POST", "/predict", json.dumps({"user_id": user, "movie_ids": [movie]}))


def rate(user: int, movie: int) -> Request:
    return Request("PUT", f"/users/{user}/ratings/{movie}", json.dumps({"stars": 4}))


def similar_users(user: int) -> Request:
    return Request("GET", f"/users/{user}/similar?limit={N}")


def similar_movies(movie: int) -> Request:
    return Request("GET", f"/movies/{movie}/similar?limit={N}")


def search(text: str) -> Request:
    return Request("GET", f"/movies?q={text.replace(' ', '+')}&limit={N}")


def mixed(population: Population, n: int, seed: int = 0) -> list[Request]:
    """Requests as an application sends them: lists above all, and a rating now and then."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    users, movies = list(population.ratings), population.movies
    kinds: dict[Callable[[], Request], int] = {
        lambda: recommend(draw.choice(users)): 50,
        lambda: predict(draw.choice(users), draw.choice(movies)): 25,
        lambda: similar_movies(draw.choice(movies)): 8,
        lambda: POPULAR: 2,
        lambda: search(draw.choice(WORDS)): 5,
        lambda: rate(draw.choice(users), draw.choice(movies)): 7,
        lambda: reasons(draw.choice(users), "relevance"): 2,
        lambda: similar_users(draw.choice(users)): 1,
    }
    return [kind() for kind in draw.choices(list(kinds), list(kinds.values()), k=n)]


def different_users(movies: Sequence[int], n: int, seed: int = 0) -> list[Request]:
    """Lists for ``n`` anonymous users, of whom hardly two have the same history of five ratings."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    histories = (
        [{"movie_id": movie, "stars": draw.randint(1, 5)} for movie in draw.sample(movies, 5)] for _ in range(n)
    )
    return [Request("POST", "/recommendations", json.dumps({"history": history, "limit": N})) for history in histories]
