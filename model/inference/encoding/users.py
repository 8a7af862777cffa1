"""Encodes users for serving: on a CPU by NumPy, else by the network itself.

Both give the same numbers, within rounding. PyTorch takes more time to start the many small operations of a single
user's history than to compute them, and its functions of a batch's step take several times those of NumPy.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.errors import NoRelevanceError
from model.inference.encoding.posterior import PosteriorEncoder
from model.inference.encoding.recurrence import Recurrence, Trace
from model.inference.encoding.segments import Segmented
from model.network.batch import Moments, Users
from model.network.branches import HistoryBranch, ProfileBranch
from model.network.config import RankingConfig
from model.network.ensemble import joined, own_vectors
from model.network.prior import FactorizationPrior
from model.network.ranking import MovieVectors, RankingNetwork
from model.network.rating import EncodedMovies, EncodedUsers, SeqRec
from model.network.recurrent import MultiplicativeLSTM
from model.types import FloatArray, IntArray


class ReadHistory(NamedTuple):
    """How far the ranking network has read a user's history, to read on from there.

    Attributes:
        start: position of the first rating that was read.
        ratings: length of the history.
        ends: state and cell of each member's recurrent layer after the last rating, of shape (hidden,) each.
    """

    start: int
    ratings: int
    ends: tuple[tuple[FloatArray, FloatArray], ...]


class UserEncoder:
    """Users as the rating network and the ranking network see them."""

    def __init__(self, network: SeqRec, movies: EncodedMovies | None, vectors: Segmented[MovieVectors] | None) -> None:
        """``movies`` are those of the network, encoded, and ``vectors`` as its ranking network reads them.

        Without stars there are no ``movies``, and without ranking there are no ``vectors``. The weights are copied:
        they must not change afterwards.
        """
        self._network = network
        self._vectors = vectors
        self._rating = _RatingEncoder.of(network, movies)
        self._ranking = _RankingEncoder.of(network, vectors)

    def with_movies(self, vectors: Segmented[MovieVectors]) -> "UserEncoder":
        """The same with other movies behind those of the network."""
        other = copy(self)
        other._vectors = vectors
        other._ranking = None if self._ranking is None else self._ranking.with_movies(vectors)
        return other

    def encode(self, users: Users, vectors: Tensor | None = None) -> EncodedUsers:
        """As `SeqRec.encode_users`; ``vectors`` are the users' by the prior, where they are known."""
        known = self._known(users)
        return self._network.encode_users(known) if self._rating is None else self._rating.encode(known, vectors)

    def encode_without_each(self, user: Users, left_out: IntArray) -> tuple[Tensor, EncodedUsers]:
        """One user's vectors by the prior, shape (1, width), and the user several times, each time without one rating.

        ``left_out`` are positions in the history, ascending, shape (left out,). With the vectors, `encode` takes less.
        """
        known = self._known(user)
        if self._rating is not None:
            return self._rating.encode_without_each(known, left_out)
        return self._network.prior.encode_users(known), self._network.encode_users(without_each(known, left_out))

    def queries(self, users: Users) -> Tensor:
        """As `RankingNetwork.queries`; `NoRelevanceError` if there is no ranking network."""
        if self._ranking is not None:
            return self._ranking.queries(users)
        return self._network.require_ranking().queries(*self._read_movies(users))

    def read_on(self, user: Users, earlier: ReadHistory | None) -> tuple[Tensor, ReadHistory | None]:
        """The queries of one user, and what they were read by.

        ``earlier`` is what has been read of the same history when it was shorter. It saves the steps up to there, and
        the numbers are the same. Where NumPy does not compute what the network does, the history is read anew.
        """
        return (self.queries(user), None) if self._ranking is None else self._ranking.read_on(user, earlier)

    def queries_without_each(self, user: Users, left_out: IntArray) -> Tensor:
        """As `RankingNetwork.queries_without_each`; `NoRelevanceError` if there is no ranking network."""
        if self._ranking is not None:
            return self._ranking.queries_without_each(user, left_out)
        return self._network.require_ranking().queries_without_each(*self._read_movies(user), left_out)

    def read_without_each(self, user: Users, left_out: IntArray) -> tuple[Tensor, ReadHistory | None, Tensor]:
        """What `read_on` gives for a history that nothing is known of, and `queries_without_each`."""
        if self._ranking is not None:
            return self._ranking.read_without_each(user, left_out)
        return self.queries(user), None, self.queries_without_each(user, left_out)

    def vectors_without_each(self, user: Users, left_out: IntArray) -> tuple[Tensor, Tensor]:
        """The vectors of both by the prior alone, shapes (1, width) and (left out, width)."""
        if self._rating is not None:
            return self._rating.vectors_without_each(self._known(user), left_out)
        whole, without = self.encode_without_each(user, left_out)
        return whole, without.vectors

    def _known(self, users: Users) -> Users:
        """As the rating network sees them, to which a movie that came after its training is the unknown one."""
        return users.known_below(len(self._network.movies))

    def _read_movies(self, users: Users) -> tuple[Users, MovieVectors]:
        """The same users, whose movies are numbered from 0 on, and the vectors of these; `NoRelevanceError`."""
        if self._vectors is None:
            raise NoRelevanceError
        numbers = torch.arange(len(users.movies), device=users.movies.device)
        return users._replace(movies=numbers), self._vectors.take(users.movies)


def without_each(user: Users, left_out: IntArray) -> Users:
    """A batch of one user several times, each time without the rating at one of these positions."""
    missing, times = torch.from_numpy(left_out).unsqueeze(1), len(left_out)
    remaining = (torch.arange(int(user.lengths[0])) != missing).to(user.movies.device)  # (left out, ratings)
    return Users(
        profiles=user.profiles.expand(times, -1),
        movies=user.movies.expand(times, -1)[remaining],
        stars=user.stars.expand(times, -1)[remaining],
        lengths=user.lengths.expand(times) - 1,
    )


class _Member(NamedTuple):
    """A ranking network, and its recurrent layer as serving computes it.

    The vectors are those of the movies that are read, shape (..., width), and ``stars`` (...) are their ratings.
    """

    network: RankingNetwork
    recurrence: Recurrence

    def read(self, vectors: Tensor, stars: Tensor, before: tuple[FloatArray, FloatArray] | None = None) -> Trace:
        """Reads one history; ``before`` are state and cell before it."""
        return self.recurrence.read(self._project(vectors, stars), before)

    def read_without_each(self, vectors: Tensor, stars: Tensor, left_out: IntArray) -> tuple[Trace, FloatArray]:
        """Such a reading, and the last states without one of the ratings, shape (left out, hidden)."""
        projected = self._project(vectors, stars)
        whole = self.recurrence.read(projected)
        return whole, self.recurrence.without_each(projected, whole, left_out)

    def read_together(self, vectors: Tensor, stars: Tensor, lengths: Tensor) -> FloatArray:
        """The last states of several histories, shape (users, hidden), of ratings side by side (time, users)."""
        inputs = self.network.encoder.inputs(vectors, stars)
        return self.recurrence.read_together(inputs.numpy(), lengths.numpy()).last

    def head(self, states: FloatArray, users: Users) -> Tensor:
        queries: Tensor = self.network.head(torch.from_numpy(states), users.profiles)
        return queries

    def _project(self, vectors: Tensor, stars: Tensor) -> FloatArray:
        """What the recurrence reads, shape (ratings, 5 hidden)."""
        return self.recurrence.project(self.network.encoder.inputs(vectors, stars).numpy())


class _RankingEncoder:
    """Users as the ranking network sees them, by NumPy."""

    def __init__(self, config: RankingConfig, movies: Segmented[MovieVectors], members: Sequence[_Member]) -> None:
        self._config = config
        self._movies = movies
        self._members = members

    @classmethod
    def of(cls, network: SeqRec, movies: Segmented[MovieVectors] | None) -> "_RankingEncoder | None":
        """None where NumPy does not compute what the network does."""
        ranking = network.ranking
        if ranking is None or movies is None or not _is_on_cpu(ranking):
            return None
        members = []
        for member in ranking.members:
            if not isinstance(member.encoder.recurrent, MultiplicativeLSTM):
                return None
            members.append(_Member(member, Recurrence(member.encoder.recurrent)))
        return cls(ranking.config, movies, members)

    def with_movies(self, movies: Segmented[MovieVectors]) -> "_RankingEncoder":
        return _RankingEncoder(self._config, movies, self._members)

    def queries(self, users: Users) -> Tensor:
        if len(users.lengths) == 1:
            return self.read_on(users, None)[0]
        latest = users.since(self._config.window_start(users.lengths))
        stars = users.stars[latest.indices]
        return joined(
            member.head(member.read_together(vectors, stars, latest.lengths), users)
            for member, vectors in self._reading(users.movies[latest.indices])
        )

    def read_on(self, user: Users, earlier: ReadHistory | None) -> tuple[Tensor, ReadHistory]:
        start = self._config.window_start(len(user.movies))
        if earlier is None or earlier.start != start:
            return self._read(user, start, self._traces(user, start))
        return self._read(user, start, self._traces(user, earlier.ratings, earlier.ends))

    def _traces(
        self, user: Users, start: int, ends: Sequence[tuple[FloatArray, FloatArray] | None] | None = None
    ) -> list[Trace]:
        """Each member's reading from rating number ``start`` on, after the ends of an earlier one, if there was one."""
        members, stars = self._reading(user.movies[start:]), user.stars[start:]
        before = [None] * len(self._members) if ends is None else ends
        return [member.read(vectors, stars, end) for (member, vectors), end in zip(members, before, strict=True)]

    def _reading(self, movies: Tensor) -> Iterator[tuple[_Member, Tensor]]:
        """Each member with its own vectors of movie indices (...), shape (..., width)."""
        return zip(self._members, own_vectors(self._movies.take(movies), len(self._members)), strict=True)

    def _read(self, user: Users, start: int, traces: Sequence[Trace]) -> tuple[Tensor, ReadHistory]:
        """The queries of one user, of whom each member has read the history from its rating number ``start`` on."""
        ends = tuple((trace.states[-1].copy(), trace.cells[-1].copy()) for trace in traces)
        heads = (member.head(trace.states[-1:], user) for member, trace in zip(self._members, traces, strict=True))
        return joined(heads), ReadHistory(start, len(user.movies), ends)

    def queries_without_each(self, user: Users, left_out: IntArray) -> Tensor:
        return self._without_each(user, left_out)[1]

    def read_without_each(self, user: Users, left_out: IntArray) -> tuple[Tensor, ReadHistory, Tensor]:
        traces, without = self._without_each(user, left_out)
        start = self._config.window_start(len(user.movies))
        if start != self._start_without_one(user):
            return *self.read_on(user, None), without
        return *self._read(user, start, traces), without

    def _without_each(self, user: Users, left_out: IntArray) -> tuple[list[Trace], Tensor]:
        """Each member's reading in the window of a history with one rating less, and the queries without each."""
        start = self._start_without_one(user)
        members, stars = self._reading(user.movies[start:]), user.stars[start:]
        readings = (member.read_without_each(vectors, stars, left_out - start) for member, vectors in members)
        traces, states = zip(*readings, strict=True)
        heads = (member.head(last, user) for member, last in zip(self._members, states, strict=True))
        return list(traces), joined(heads)

    def _start_without_one(self, user: Users) -> int:
        """Where the window of a history with one rating less begins; it may be earlier."""
        return self._config.window_start(len(user.movies) - 1)


class _RatingEncoder:
    """Users as the rating network sees them, by NumPy."""

    def __init__(
        self,
        network: SeqRec,
        movies: EncodedMovies,
        posterior: PosteriorEncoder,
        recurrences: dict[HistoryBranch, Recurrence],
    ) -> None:
        self._network = network
        self._offsets = movies.prior.offsets
        self._posterior = posterior
        self._recurrences = recurrences

    @classmethod
    def of(cls, network: SeqRec, movies: EncodedMovies | None) -> "_RatingEncoder | None":
        """None where NumPy does not compute what the network does."""
        if movies is None or not _is_on_cpu(network) or not isinstance(network.prior, FactorizationPrior):
            return None
        recurrences = {}
        for branch in network.user_branches:
            if isinstance(branch, HistoryBranch) and isinstance(branch.recurrent, MultiplicativeLSTM):
                recurrences[branch] = Recurrence(branch.recurrent)
            elif not isinstance(branch, ProfileBranch):
                return None
        return cls(network, movies, PosteriorEncoder(network.prior, movies.prior), recurrences)

    def encode(self, users: Users, known: Tensor | None = None) -> EncodedUsers:
        vectors = self._posterior.means(users) if known is None else known.numpy()
        residuals = self._residuals(users, vectors)
        read = self._history if len(users.lengths) == 1 else self._histories
        outputs = [
            read(branch, users, residuals)
            if isinstance(branch, HistoryBranch)
            else branch(users, residuals, self._network.movies)
            for branch in self._network.user_branches
        ]
        encoded = self._network.join_users(outputs, torch.from_numpy(vectors))
        drift = self._network.drift
        if drift is None:
            return encoded
        errors = torch.from_numpy(self._posterior.errors(users, vectors))
        return replace(encoded, drift=drift(errors, users.lengths, Moments.after(users)))

    def encode_without_each(self, user: Users, left_out: IntArray) -> tuple[Tensor, EncodedUsers]:
        whole, without = self._posterior.means_without_each(user, left_out)
        residuals = self._residuals(user, whole)
        # Without a rating the user's bias is another one, and so are the residuals of all other ratings.
        shifts = self._posterior.user_biases(whole) - self._posterior.user_biases(without)  # (left out,)
        outputs = [
            self._histories_without_each(branch, user, residuals, left_out, shifts)
            if isinstance(branch, HistoryBranch)
            else branch(user, residuals, self._network.movies).expand(len(left_out), -1)
            for branch in self._network.user_branches
        ]
        encoded = self._network.join_users(outputs, torch.from_numpy(without))
        drift = self._network.drift
        if drift is not None:
            errors = torch.from_numpy(self._posterior.errors_without_each(user, without, left_out))
            encoded = replace(encoded, drift=drift.after(errors))
        return torch.from_numpy(whole), encoded

    def vectors_without_each(self, user: Users, left_out: IntArray) -> tuple[Tensor, Tensor]:
        whole, without = self._posterior.means_without_each(user, left_out)
        return torch.from_numpy(whole), torch.from_numpy(without)

    def _residuals(self, users: Users, means: FloatArray) -> Tensor:
        """As the prior's: stars less mean, movie bias and user bias, shape (ratings,)."""
        biases = np.repeat(self._posterior.user_biases(means), users.lengths.numpy())
        residuals: Tensor = users.stars - self._offsets[users.movies] - torch.from_numpy(biases)
        return residuals

    def _history(self, branch: HistoryBranch, users: Users, residuals: Tensor) -> Tensor:
        """The branch's vector of a batch of one user, shape (1, width)."""
        projected = self._projected(branch, users, residuals, branch.limit)
        states = self._recurrences[branch].read(projected).states
        mean = states[1:].sum(0, keepdims=True) / np.float32(max(len(projected), 1))
        return branch.join(torch.from_numpy(states[-1:]), torch.from_numpy(mean), users.lengths)

    def _histories(self, branch: HistoryBranch, users: Users, residuals: Tensor) -> Tensor:
        """The branch's vectors of several users, shape (users, width)."""
        latest = users.latest(branch.limit)
        inputs = branch.inputs(users, residuals, self._network.movies, latest.indices)
        pooled = self._recurrences[branch].read_together(inputs.numpy(), latest.lengths.numpy())
        return branch.join(torch.from_numpy(pooled.last), torch.from_numpy(pooled.mean), users.lengths)

    def _histories_without_each(
        self, branch: HistoryBranch, user: Users, residuals: Tensor, left_out: IntArray, shifts: FloatArray
    ) -> Tensor:
        """The branch's vector without each of some ratings, whose absence shifts all residuals.

        Shape (left out, width). No two histories have a state in common, so all are read side by side from their start.
        """
        recurrence, ratings = self._recurrences[branch], len(user.movies)
        projected = self._projected(branch, user, residuals, branch.limit + 1)
        shifted = recurrence.from_input[:, [branch.residual_column]] * (shifts / np.float32(branch.scale))
        states, cells, total = np.zeros((3, recurrence.hidden, len(left_out)), np.float32)
        steps = min(ratings - 1, branch.limit)
        for row in _rows_without_each(ratings, left_out, steps) - (ratings - len(projected)):
            recurrence.advance(projected[row].T + shifted, states, cells)
            total += states
        mean = total / np.float32(max(steps, 1))
        return branch.join(torch.from_numpy(states.T), torch.from_numpy(mean.T), user.lengths.expand(len(left_out)) - 1)

    def _projected(self, branch: HistoryBranch, user: Users, residuals: Tensor, ratings: int) -> FloatArray:
        """Of the latest ratings, so many of them, shape (ratings, 5 hidden)."""
        latest = torch.arange(max(len(user.movies) - ratings, 0), len(user.movies))
        inputs = branch.inputs(user, residuals, self._network.movies, latest)
        return self._recurrences[branch].project(inputs.numpy())


def _rows_without_each(ratings: int, left_out: IntArray, steps: int) -> IntArray:
    """Positions of the last ``steps`` ratings that remain of a history without one of its ratings, oldest first.

    Shape (steps, left out).
    """
    remaining = np.arange(ratings - 1 - steps, ratings - 1)[:, None]
    rows: IntArray = remaining + (remaining >= left_out)
    return rows


def _is_on_cpu(network: torch.nn.Module) -> bool:
    return next(network.parameters()).device.type == "cpu"
