"""Predicts and ranks for one user: a function of (profile, history, candidates) that keeps nothing of the user."""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from model.artifact import Artifact
from model.branches import Users
from model.features import FloatArray, IntArray, Profile, Rated, encode_profiles
from model.metrics import clip
from model.network import EncodedMovies, EncodedUsers

READERS_AT_ONCE = 64
"""Histories that are encoded together."""

RANKING_DECIMALS = 4
"""Stars are ranked as they are shown; what is equal in these decimals is a tie."""


class Candidates(NamedTuple):
    """Movies to predict for one user; the history is oldest first and may be empty."""

    profile: Profile
    history: Sequence[Rated]
    movie_ids: Sequence[int]


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

    def predict(self, profile: Profile, history: Sequence[Rated], movie_ids: Sequence[int]) -> list[float]:
        """Stars, 1 to 5, that the user would give each movie, in the order given.

        ``history`` is oldest first and may be empty. A movie that is in it is predicted from the rest of it, so no
        rating ever explains itself. A movie that the model does not know gets the stars of an average one.
        """
        return self.predict_many([Candidates(profile, history, movie_ids)])[0]

    @torch.inference_mode()
    def predict_many(self, asked: Sequence[Candidates]) -> list[list[float]]:
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
        rows = self.catalogue.vocabulary.rows(movie_id for one in asked for movie_id in one.movie_ids)
        stars = iter(_shown(self._score_pairs(readers, np.array(reader_of_movie, dtype=np.int64), rows)))
        return [list(islice(stars, len(one.movie_ids))) for one in asked]

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
        scores = self._score(self._encode([(profile, history)]), self._movies)
        scores = scores[self.catalogue.vocabulary.rows(candidates.tolist())]
        scores = np.round(scores, RANKING_DECIMALS)
        best = np.lexsort((candidates, -scores))[offset : offset + n]
        return [
            Recommendation(movie_id, stars)
            for movie_id, stars in zip(candidates[best].tolist(), _shown(scores[best]), strict=True)
        ]

    def _score_pairs(
        self, readers: Sequence[tuple[Profile, Sequence[Rated]]], owners: IntArray, rows: IntArray
    ) -> FloatArray:
        """Stars, not clipped, of ``readers[owners[k]]`` for the movie at ``rows[k]``."""
        stars = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(readers), READERS_AT_ONCE):
            users = self._encode(readers[start : start + READERS_AT_ONCE])
            pairs = np.flatnonzero(owners // READERS_AT_ONCE == start // READERS_AT_ONCE)
            own = torch.from_numpy(owners[pairs] - start).to(self.device)
            movies = self._movies.take(torch.from_numpy(rows[pairs]).to(self.device))
            stars[pairs] = self._score(users.take(own), movies)
        return stars

    def _encode(self, users: Sequence[tuple[Profile, Sequence[Rated]]]) -> EncodedUsers:
        entries = [entry for _, history in users for entry in history]
        batch = Users(
            profiles=torch.from_numpy(encode_profiles([profile for profile, _ in users])),
            movies=torch.from_numpy(self.catalogue.vocabulary.rows(entry.movie_id for entry in entries)),
            stars=torch.tensor([entry.stars for entry in entries], dtype=torch.float32),
            lengths=torch.tensor([len(history) for _, history in users]),
        )
        return self._network.encode_users(batch.to(self.device))

    def _score(self, users: EncodedUsers, movies: EncodedMovies) -> FloatArray:
        stars: FloatArray = self._network.score(users, movies).mean.cpu().numpy()
        return stars


def _shown(stars: FloatArray) -> list[float]:
    """Clipped to 1..5 and rounded as in every answer."""
    return [round(value, RANKING_DECIMALS) for value in clip(stars).tolist()]
