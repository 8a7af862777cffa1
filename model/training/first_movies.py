"""Which movies to ask a newcomer about first: those whose stars tell the ranking network most.

The choice is greedy, after Golbandi, Koren and Lempel 2010 ("On bootstrapping recommender systems", GreedyExtend): the
next movie is the one that, asked after those that are chosen already, gives users of the training the best lists. Only
well-known movies are asked about, and an answer is worth what it changes: a movie that few have seen, or that everybody
likes, changes little.

How good lists are is measured as for held-out users, by NDCG@10. A half of each user's ratings, drawn at random, can be
answered; the other half has the targets. The movies of the first half are in no list, so that a question is not worth
more because its movie leaves the targets.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from model.data.sequences import Sequences
from model.discounts import discounts
from model.evaluation.ranking_metrics import TOP
from model.features.catalogue import UNKNOWN
from model.features.users import PROFILE_WIDTH
from model.network.batch import Users
from model.network.ensemble import Ranking
from model.network.ranking import RankingNetwork
from model.rating_scale import RELEVANT_STARS
from model.types import BoolArray, FloatArray, IntArray

WELL_KNOWN = 60
"""The movies with the most ratings; of less known ones a visitor would have seen too few."""

ANSWERS = 5
"""That a visitor gives before the list is looked at."""

MOST_USERS = 1000
"""Drawn at random: the choice takes about ten seconds on one core. Fewer would choose what suits them alone."""

MOST_LISTED = 10_000
"""The movies with the most ratings, which the lists are made of: others are hardly ever among the first ten, and the
time would grow with them."""

HISTORIES_AT_ONCE = 2048


@dataclass(frozen=True)
class Visitors:
    """People who are asked about movies, and what they liked besides. Shapes are (visitors, movies).

    Attributes:
        users: which of the users each one is, shape (visitors,).
        stars: what each answers about each movie index, 0 for what was not seen.
        left_out: movies that no list contains.
        targets: movies that a good list contains.
    """

    users: IntArray
    stars: FloatArray
    left_out: BoolArray
    targets: BoolArray

    @classmethod
    def of(cls, sequences: Sequences, vocabulary_size: int, random: np.random.Generator) -> "Visitors":
        """Of users: a half of the ratings, drawn at random, is asked about; the relevant others are targets.

        Users without targets are left out.
        """
        stars = _table(sequences, vocabulary_size)
        asked = (stars > 0) & (random.random(stars.shape) < 0.5)
        return cls._with_targets(np.where(asked, stars, 0), asked, (stars >= RELEVANT_STARS) & ~asked)

    @classmethod
    def of_all_ratings(cls, sequences: Sequences, vocabulary_size: int) -> "Visitors":
        """Of users: all ratings can be asked about, and all that are relevant and were not asked about are targets."""
        stars = _table(sequences, vocabulary_size)
        return cls._with_targets(stars, np.zeros(stars.shape, dtype=bool), stars >= RELEVANT_STARS)

    @classmethod
    def _with_targets(cls, stars: FloatArray, left_out: BoolArray, targets: BoolArray) -> "Visitors":
        left_out[:, UNKNOWN] = True
        rows = targets.any(1)
        return cls(np.flatnonzero(rows), stars[rows].astype(np.float32), left_out[rows], targets[rows])

    def __len__(self) -> int:
        return len(self.stars)


def _table(sequences: Sequences, vocabulary_size: int) -> FloatArray:
    """Stars of all movies, 0 without a rating, shape (users, movies)."""
    table = np.zeros((len(sequences), vocabulary_size), dtype=np.float32)
    table[sequences.user_index, sequences.movies] = sequences.stars
    return table


class Interview:
    """Visitors with the answers that they have given so far, and how good their lists are."""

    def __init__(
        self, network: Ranking, visitors: Visitors, most: int = ANSWERS, movies: IntArray | None = None
    ) -> None:
        """``most`` answers are taken of each visitor.

        ``movies`` are the movie indices that the visitors' columns stand for, the unknown movie first; None for all.
        """
        self.network = network.eval()
        self.visitors = visitors
        self.most = most
        self.answers: list[list[int]] = [[] for _ in range(len(visitors))]
        with torch.inference_mode():
            all_movies = network.encode_movies()
        self._movies = all_movies if movies is None else all_movies.take(torch.from_numpy(movies))
        self.quality = self.quality_with(np.arange(len(visitors)), self.answers)

    def who_answers(self, movie: int) -> IntArray:
        """The visitors who have seen the movie and have not given enough answers."""
        is_open = np.array([len(given) < self.most for given in self.answers], dtype=bool)
        return np.flatnonzero(is_open & (self.visitors.stars[:, movie] > 0))

    def ask(self, movie: int) -> None:
        """Everyone who has seen the movie answers."""
        visitors = self.who_answers(movie)
        for visitor in visitors.tolist():
            self.answers[visitor].append(movie)
        self.quality[visitors] = self.quality_with(visitors, [self.answers[visitor] for visitor in visitors.tolist()])

    def gains(self, movies: list[int]) -> FloatArray:
        """What asking each of the movies next adds to the quality of all lists, shape (movies,)."""
        asked = [self.who_answers(movie) for movie in movies]
        visitors = np.concatenate(asked)
        answers = [
            [*self.answers[visitor], movie]
            for movie, people in zip(movies, asked, strict=True)
            for visitor in people.tolist()
        ]
        added = self.quality_with(visitors, answers) - self.quality[visitors]
        number = np.repeat(np.arange(len(movies)), [len(people) for people in asked])
        return np.bincount(number, added, minlength=len(movies)).astype(np.float32)

    @torch.inference_mode()
    def quality_with(self, visitors: IntArray, answers: list[list[int]]) -> FloatArray:
        """NDCG@10 of the visitors' lists, had they given these answers, shape (visitors,)."""
        quality = [
            self._quality(visitors[start : start + HISTORIES_AT_ONCE], answers[start : start + HISTORIES_AT_ONCE])
            for start in range(0, len(visitors), HISTORIES_AT_ONCE)
        ]
        return np.concatenate([np.empty(0, dtype=np.float32), *quality])

    def _quality(self, visitors: IntArray, answers: list[list[int]]) -> FloatArray:
        device = self._movies.vectors.device
        number = np.repeat(np.arange(len(answers)), [len(given) for given in answers])
        movies = np.array([movie for given in answers for movie in given], dtype=np.int64)
        users = Users(
            profiles=torch.zeros(len(visitors), PROFILE_WIDTH),
            movies=torch.from_numpy(movies),
            stars=torch.from_numpy(self.visitors.stars[visitors[number], movies]),
            lengths=torch.tensor([len(given) for given in answers]),
        ).to(device)
        logits = RankingNetwork.logits(self.network.queries(users, self._movies), self._movies, "relevance")
        left_out = self.visitors.left_out[visitors]
        left_out[number, movies] = True
        best = logits.masked_fill(torch.from_numpy(left_out).to(device), -torch.inf).topk(TOP, 1).indices.cpu()
        return ndcg(best, torch.from_numpy(self.visitors.targets[visitors] & ~left_out))


def ndcg(lists: Tensor, targets: Tensor) -> FloatArray:
    """NDCG@10 of each list, shape (users,): indices (users, 10), and which are targets (users, movies)."""
    gains = torch.from_numpy(discounts(np.arange(TOP))).float()
    ideal = gains.cumsum(0)[targets.sum(1).clamp(1, TOP) - 1]
    quality: FloatArray = ((targets.gather(1, lists) * gains).sum(1) / ideal).numpy()
    return quality


def choose_first_movies(network: Ranking, sequences: Sequences, seed: int = 0) -> list[int]:
    """Movie indices, in the order in which a newcomer is asked about them; of `WELL_KNOWN`.

    Those whose answers change nothing any more follow by their number of ratings. ``sequences`` are the ratings that
    the network was trained with. Nothing, if the catalogue is shorter than a list.
    """
    vocabulary_size = network.vocabulary_size
    if vocabulary_size <= TOP:
        return []
    random = np.random.default_rng(seed)
    counts = np.bincount(sequences.movies, minlength=vocabulary_size)
    counts[UNKNOWN] = counts.max() + 1  # never in a list, and always the first column
    listed = np.sort(np.argsort(-counts, kind="stable")[: MOST_LISTED + 1])
    known = among(sequences, listed)
    drawn = np.sort(random.permutation(len(sequences))[:MOST_USERS])
    interview = Interview(network, Visitors.of(known.take(drawn), len(listed), random), movies=listed)
    left = most_rated(known, len(listed))
    chosen: list[int] = []
    while left and any(len(interview.who_answers(movie)) for movie in left):
        chosen.append(left.pop(int(interview.gains(left).argmax())))
        interview.ask(chosen[-1])
    first: list[int] = listed[chosen + left].tolist()
    return first


def among(sequences: Sequences, movies: IntArray) -> Sequences:
    """The ratings of these movies alone, with row numbers in ``movies`` (movies,), ascending, in place of indices."""
    known = sequences.only(np.flatnonzero(np.isin(sequences.movies, movies)))
    return replace(known, movies=np.searchsorted(movies, known.movies))


def most_rated(sequences: Sequences, vocabulary_size: int) -> list[int]:
    """The indices of the `WELL_KNOWN` movies with the most ratings, the most first, ties by index."""
    counts = np.bincount(sequences.movies, minlength=vocabulary_size)
    order: list[int] = np.argsort(-counts, kind="stable")[:WELL_KNOWN].tolist()
    return [movie for movie in order if counts[movie]]
