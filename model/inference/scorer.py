"""Predicts and ranks for one user: a function of (profile, history, candidates) that keeps nothing of the user."""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from model.features.users import Profile, Rated, encode_profiles
from model.inference.artifact import Artifact
from model.inference.cold_start import ColdStartMovie, with_cold_start
from model.inference.ranking import RANKING_DECIMALS, EncodedCatalogue, RankBy, UserRanking
from model.network.batch import USERS_PER_BATCH, Users
from model.network.heads import Stars
from model.rating_scale import RatingScale
from model.types import FloatArray, IntArray, clip

RELEVANCE_DECIMALS = 6


class Candidates(NamedTuple):
    """Movies to predict for one user; the history is oldest first and may be empty."""

    profile: Profile
    history: Sequence[Rated]
    movie_ids: Sequence[int]


class PredictedRating(NamedTuple):
    """What one user is predicted to give one movie.

    Attributes:
        stars: expected, from the lowest of the scorer's levels to the highest.
        probabilities: of each of the levels; None from a model that predicts the mean alone.
    """

    stars: float
    probabilities: tuple[float, ...] | None


class Reason(NamedTuple):
    """A rated movie that speaks for a recommended one.

    Attributes:
        movie_id: of the history.
        contribution: what the recommended movie's score loses without it; see `model.inference.explanation`.
            By relevance the score is a natural logarithm, by rating it is in stars.
    """

    movie_id: int
    contribution: float


class Recommendation(NamedTuple):
    """One entry of a list.

    Attributes:
        stars: predicted, from the lowest of the scorer's levels to the highest.
        relevance: probability, of all movies that the user has not rated, that it is this one which comes next, or
            which will be liked, as the list is ordered by; None from a model that predicts stars alone.
        reasons: up to three, the most important first; None unless asked for.
    """

    movie_id: int
    stars: float
    relevance: float | None
    reasons: tuple[Reason, ...] | None


class Scorer:
    """A loaded artifact, ready to score.

    The movies' side of the network is computed here, once. A request encodes one history and adds the two.
    """

    def __init__(
        self, artifact: Artifact, device: torch.device, cold_start_movies: Sequence[ColdStartMovie] = ()
    ) -> None:
        """``cold_start_movies`` are movies to be served that the artifact does not know."""
        self.version = artifact.version
        self.card = artifact.card
        self.device = device
        self._artifact = artifact
        artifact.network.to(device).eval()
        served = with_cold_start(artifact, cold_start_movies) if cold_start_movies else artifact
        self.catalogue = served.catalogue
        self._network = served.network
        self._encoded_catalogue = EncodedCatalogue.of(self._network, device)

    def with_cold_start(self, cold_start_movies: Sequence[ColdStartMovie]) -> "Scorer":
        """The same model, for these movies beside its own."""
        return Scorer(self._artifact, self.device, cold_start_movies)

    @property
    def rating_scale(self) -> RatingScale:
        """What users could give in the data that the model learned from."""
        return self._network.config.rating_scale

    def __contains__(self, movie_id: int) -> bool:
        """Whether this movie can be scored: the model was trained with it, or it is a newcomer."""
        return movie_id in self.catalogue.vocabulary

    def was_trained_with(self, movie_id: int) -> bool:
        return movie_id in self._artifact.catalogue.vocabulary

    def times_rated(self, movie_ids: Sequence[int]) -> IntArray:
        """Ratings that each movie had in training, shape (movies,)."""
        counts: IntArray = self._network.movies.ratings.cpu().numpy()
        return counts[self.catalogue.vocabulary.indices(movie_ids)]

    def predict(self, profile: Profile, history: Sequence[Rated], movie_ids: Sequence[int]) -> list[PredictedRating]:
        """What the user would give each movie, in the order given.

        ``history`` is oldest first and may be empty. A movie that is in it is predicted from the rest of it, so no
        rating ever explains itself. A movie that the model does not know gets the stars of an average one.
        """
        return self.predict_many([Candidates(profile, history, movie_ids)])[0]

    @torch.inference_mode()
    def predict_many(self, asked: Sequence[Candidates]) -> list[list[PredictedRating]]:
        """As `predict`, for several users at once."""
        readers: list[tuple[Profile, Sequence[Rated]]] = []
        reader_of_movie: list[int] = []
        for profile, history, movie_ids in asked:
            rated = {entry.movie_id for entry in history}
            whole = len(readers)
            readers.append((profile, history))
            for movie_id in movie_ids:
                if movie_id in rated:
                    reader_of_movie.append(len(readers))
                    readers.append((profile, [entry for entry in history if entry.movie_id != movie_id]))
                else:
                    reader_of_movie.append(whole)
        indices = self.catalogue.vocabulary.indices(movie_id for one in asked for movie_id in one.movie_ids)
        predicted = iter(self._predict_pairs(readers, np.array(reader_of_movie, dtype=np.int64), indices))
        return [list(islice(predicted, len(one.movie_ids))) for one in asked]

    @property
    def ranks_by(self) -> RankBy:
        """What lists are ordered by unless something else is asked for."""
        return self._encoded_catalogue.ranks_by

    @torch.inference_mode()
    def recommend(
        self,
        profile: Profile,
        history: Sequence[Rated],
        among: Collection[int],
        n: int,
        offset: int = 0,
        rank_by: RankBy | None = None,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> list[Recommendation]:
        """The best ``n`` movies of ``among`` after the first ``offset``, best first, ties by id.

        Movies of the history and movies that the model does not know are left out. ``diversity``, 0 to 1, is that of
        `model.inference.diversity`. `NoRelevanceError` if ``rank_by`` is relevance and the model knows none.
        """
        user = UserRanking(self._encoded_catalogue, self._read([(profile, history)]), rank_by)
        rated = {entry.movie_id for entry in history}
        candidates = sorted(id_ for id_ in among if id_ in self and id_ not in rated)
        indices = self.catalogue.vocabulary.indices(candidates)
        page = user.ordered(indices, diversity, offset + n)[offset : offset + n]
        stars = np.round(clip(user.stars(page), self.rating_scale).astype(np.float64), RANKING_DECIMALS).tolist()
        ids = [self.catalogue.vocabulary.ids[index - 1] for index in page.tolist()]
        return self._listed(user, history, ids, stars, explain)

    def _listed(
        self, user: UserRanking, history: Sequence[Rated], ids: Sequence[int], stars: Sequence[float], explain: bool
    ) -> list[Recommendation]:
        """Entries for movies in their order, with what the list knows of each beside its stars."""
        indices = self.catalogue.vocabulary.indices(ids)
        relevances = (
            [None] * len(indices) if user.log_relevance is None else _probabilities(user.log_relevance[indices])
        )
        reasons = [self._reasons(history, why) for why in user.reasons(indices)] if explain else [None] * len(indices)
        return [Recommendation(*entry) for entry in zip(ids, stars, relevances, reasons, strict=True)]

    @torch.inference_mode()
    def rank(
        self,
        profile: Profile,
        history: Sequence[Rated],
        movie_ids: Sequence[int],
        rank_by: RankBy | None = None,
        explain: bool = False,
    ) -> list[Recommendation]:
        """All of the movies, best first, ties by id; a movie twice in ``movie_ids`` is listed once.

        What is in the history is ranked too: its relevance is 0, since it does not come again, and its stars are
        those without its own rating. Errors as for `recommend`.
        """
        user = UserRanking(self._encoded_catalogue, self._read([(profile, history)]), rank_by)
        ids = np.unique(np.array(movie_ids, dtype=np.int64))
        indices = self.catalogue.vocabulary.indices(ids.tolist())
        stars = np.array([one.stars for one in self.predict(profile, history, ids.tolist())], dtype=np.float64)
        scores = stars if user.rank_by == "rating" or user.log_relevance is None else user.log_relevance[indices]
        order = np.lexsort((ids, -np.round(scores, RANKING_DECIMALS)))
        return self._listed(user, history, ids[order].tolist(), stars[order].tolist(), explain)

    @torch.inference_mode()
    def similar_movies(self, movie_id: int, among: Collection[int], n: int) -> list[tuple[int, float]]:
        """The movies of ``among`` whose vectors point most nearly where this movie's does: ids and cosines.

        The nearest first, ties by id; the movie itself is left out.
        """
        candidates = sorted(id_ for id_ in among if id_ in self and id_ != movie_id)
        indices = self.catalogue.vocabulary.indices([movie_id, *candidates])
        vectors = torch.nn.functional.normalize(self._encoded_catalogue.directions[indices], dim=-1)
        return _nearest(candidates, (vectors[1:] @ vectors[0]).float().cpu().numpy(), n)

    @torch.inference_mode()
    def similar_users(
        self, profile: Profile, history: Sequence[Rated], others: Sequence[tuple[int, Profile, Sequence[Rated]]], n: int
    ) -> list[tuple[int, float]]:
        """Those of the others, ``(user_id, profile, history)``, of whom the model has the most similar idea.

        Ids and cosines of what it multiplies movies' vectors with, the nearest first, ties by id.
        """
        others = sorted(others, key=lambda other: other[0])
        users = self._read([(profile, history), *(other[1:] for other in others)])
        vectors = torch.nn.functional.normalize(self._encoded_catalogue.directions_of(users), dim=-1)
        return _nearest([other[0] for other in others], (vectors[1:] @ vectors[0]).float().cpu().numpy(), n)

    @staticmethod
    def _reasons(history: Sequence[Rated], why: Sequence[tuple[int, float]]) -> tuple[Reason, ...]:
        return tuple(Reason(history[place].movie_id, round(lost, RANKING_DECIMALS)) for place, lost in why)

    def _predict_pairs(
        self, readers: Sequence[tuple[Profile, Sequence[Rated]]], user_index: IntArray, indices: IntArray
    ) -> list[PredictedRating]:
        """What ``readers[user_index[k]]`` would give the movie at ``indices[k]``."""
        predicted: list[PredictedRating | None] = [None] * len(indices)
        for start in range(0, len(readers), USERS_PER_BATCH):
            users = self._network.encode_users(self._read(readers[start : start + USERS_PER_BATCH]))
            pairs = np.flatnonzero(user_index // USERS_PER_BATCH == start // USERS_PER_BATCH)
            own = torch.from_numpy(user_index[pairs] - start).to(self.device)
            movies = self._encoded_catalogue.movies.take(torch.from_numpy(indices[pairs]).to(self.device))
            for pair, one in zip(pairs, self._shown(self._network.score(users.take(own), movies)), strict=True):
                predicted[pair] = one
        return [one for one in predicted if one is not None]

    def _shown(self, stars: Stars) -> list[PredictedRating]:
        """Clipped and rounded as in every answer."""
        clipped = stars.mean.clamp(self.rating_scale[0], self.rating_scale[-1])
        means = [round(value, RANKING_DECIMALS) for value in clipped.tolist()]
        if stars.probabilities is None:
            return [PredictedRating(mean, None) for mean in means]
        probabilities = stars.probabilities.cpu().double().numpy().round(RANKING_DECIMALS).tolist()
        return [PredictedRating(mean, tuple(own)) for mean, own in zip(means, probabilities, strict=True)]

    def _read(self, users: Sequence[tuple[Profile, Sequence[Rated]]]) -> Users:
        entries = [entry for _, history in users for entry in history]
        batch = Users(
            profiles=torch.from_numpy(encode_profiles([profile for profile, _ in users])),
            movies=torch.from_numpy(self.catalogue.vocabulary.indices(entry.movie_id for entry in entries)),
            stars=torch.tensor([entry.stars for entry in entries], dtype=torch.float32),
            lengths=torch.tensor([len(history) for _, history in users]),
        )
        return batch.to(self.device)


def _nearest(ids: Sequence[int], cosines: FloatArray, n: int) -> list[tuple[int, float]]:
    rounded = np.round(cosines.astype(np.float64), RANKING_DECIMALS)
    best = np.argsort(-rounded, kind="stable")[:n]
    return [(ids[place], float(rounded[place])) for place in best]


def _probabilities(logarithms: FloatArray) -> list[float]:
    rounded: list[float] = np.round(np.exp(logarithms, dtype=np.float64), RELEVANCE_DECIMALS).tolist()
    return rounded
