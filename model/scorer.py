"""Predicts and ranks for one user: a function of (profile, history, candidates) that keeps nothing of the user."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import torch

from model.artifact import Artifact
from model.branches import Users
from model.features import FloatArray, Profile, Rated, encode_profiles
from model.metrics import clip
from model.network import Side

VARIANTS_AT_ONCE = 64
"""Shortened histories that are encoded together when rated movies are predicted."""

RANKING_DECIMALS = 4
"""Stars are ranked as they are shown; what is equal in these decimals is a tie."""


class Recommendation(NamedTuple):
    """One entry of a list, with the predicted stars, 1 to 5."""

    movie_id: int
    stars: float


class Scorer:
    """A loaded artifact, ready to score.

    The movies' side of the network is computed here, once. A request encodes one history and adds the two.
    """

    def __init__(self, artifact: Artifact, device: torch.device) -> None:
        self.version = artifact.version
        self.card = artifact.card
        self.catalogue = artifact.catalogue
        self.device = device
        self._network = artifact.network.to(device).eval()
        with torch.inference_mode():
            self._movies = self._network.encode_movies(torch.arange(len(self.catalogue.vocabulary), device=device))

    def __contains__(self, movie_id: int) -> bool:
        """Whether the model knows this movie."""
        return movie_id in self.catalogue.vocabulary

    @torch.inference_mode()
    def predict(self, profile: Profile, history: Sequence[Rated], movie_ids: Sequence[int]) -> list[float]:
        """Stars, 1 to 5, that the user would give each movie, in the order given.

        ``history`` is oldest first and may be empty. A movie that is in it is predicted from the rest of it, so no
        rating ever explains itself. A movie that the model does not know gets the stars of an average one.
        """
        rated = {entry.movie_id for entry in history}
        fresh = [movie_id for movie_id in movie_ids if movie_id not in rated]
        known = sorted(rated.intersection(movie_ids))
        stars = dict(zip(fresh, self._predict_fresh(profile, history, fresh), strict=True))
        for start in range(0, len(known), VARIANTS_AT_ONCE):
            part = known[start : start + VARIANTS_AT_ONCE]
            stars |= zip(part, self._predict_rated(profile, history, part), strict=True)
        return [stars[movie_id] for movie_id in movie_ids]

    @torch.inference_mode()
    def recommend(
        self, profile: Profile, history: Sequence[Rated], among: Collection[int], n: int, offset: int = 0
    ) -> list[Recommendation]:
        """The best ``n`` movies of ``among`` after the first ``offset``, best first, ties by id.

        Movies of the history and movies that the model does not know are left out.
        """
        rated = {entry.movie_id for entry in history}
        candidates = np.array(sorted(id_ for id_ in among if id_ in self and id_ not in rated), dtype=np.int64)
        # Ranked by what is not clipped yet: five stars and "even more" differ.
        scores = self._catalogue_stars(profile, history)[self.catalogue.vocabulary.rows(candidates.tolist())]
        scores = np.round(scores, RANKING_DECIMALS)
        best = np.lexsort((candidates, -scores))[offset : offset + n]
        return [
            Recommendation(movie_id, stars)
            for movie_id, stars in zip(candidates[best].tolist(), _shown(scores[best]), strict=True)
        ]

    def _catalogue_stars(self, profile: Profile, history: Sequence[Rated]) -> FloatArray:
        """Stars, not clipped, for every catalogue row."""
        return self._score(self._encode([(profile, history)]), self._movies)

    def _predict_fresh(self, profile: Profile, history: Sequence[Rated], movie_ids: Sequence[int]) -> list[float]:
        user = self._encode([(profile, history)])
        return _shown(self._score(user, self._movies.take(self._rows(movie_ids))))

    def _predict_rated(self, profile: Profile, history: Sequence[Rated], movie_ids: Sequence[int]) -> list[float]:
        variants = [(profile, [entry for entry in history if entry.movie_id != movie_id]) for movie_id in movie_ids]
        return _shown(self._score(self._encode(variants), self._movies.take(self._rows(movie_ids))))

    def _encode(self, users: Sequence[tuple[Profile, Sequence[Rated]]]) -> Side:
        entries = [entry for _, history in users for entry in history]
        batch = Users(
            profiles=torch.from_numpy(encode_profiles([profile for profile, _ in users])),
            movies=torch.from_numpy(self.catalogue.vocabulary.rows(entry.movie_id for entry in entries)),
            stars=torch.tensor([entry.stars for entry in entries], dtype=torch.float32),
            lengths=torch.tensor([len(history) for _, history in users]),
        )
        return self._network.encode_users(batch.to(self.device))

    def _rows(self, movie_ids: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(self.catalogue.vocabulary.rows(movie_ids)).to(self.device)

    def _score(self, users: Side, movies: Side) -> FloatArray:
        stars: FloatArray = self._network.score(users, movies).cpu().numpy()
        return stars


def _shown(stars: FloatArray) -> list[float]:
    """Clipped to 1..5 and rounded as in every answer."""
    return [round(value, RANKING_DECIMALS) for value in clip(stars).tolist()]
