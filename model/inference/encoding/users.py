"""Encodes users for serving: on a CPU by NumPy, else by the network itself.

Both give the same numbers, within rounding. PyTorch takes more time to start the many small operations of a single
user's history than to compute them, and its functions of a batch's step take several times those of NumPy.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.errors import NoRelevanceError
from model.inference.encoding.posterior import PosteriorEncoder
from model.inference.encoding.recurrence import Recurrence, Trace
from model.network.batch import Latest, Users
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

    def __init__(self, network: SeqRec, movies: EncodedMovies | None, vectors: MovieVectors | None) -> None:
        """All movies, encoded: ``movies`` is None for a network without stars, ``vectors`` for one without ranking.

        The weights are copied: they must not change afterwards.
        """
        self._network = network
        self._vectors = vectors
        self._rating = _RatingEncoder.of(network, movies)
        self._ranking = _RankingEncoder.of(network, vectors)

    def encode(self, users: Users, vectors: Tensor | None = None) -> EncodedUsers:
        """As `SeqRec.encode_users`; ``vectors`` are the users' by the prior, where they are known."""
        if self._rating is None:
            return self._network.encode_users(users)
        return self._rating.encode(users, vectors)

    def encode_without_each(self, user: Users, left_out: IntArray) -> tuple[EncodedUsers, EncodedUsers]:
        """A batch of one user, and the same several times, each time without one rating.

        ``left_out`` are positions in the history, ascending, shape (left out,).
        """
        if self._rating is not None:
            return self._rating.encode_without_each(user, left_out)
        return self._network.encode_users(user), self._network.encode_users(without_each(user, left_out))

    def queries(self, users: Users) -> Tensor:
        """As `RankingNetwork.queries`; `NoRelevanceError` if there is no ranking network."""
        if self._ranking is not None:
            return self._ranking.queries(users)
        return self._network.require_ranking().queries(users, self._movie_vectors)

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
        return self._network.require_ranking().queries_without_each(user, self._movie_vectors, left_out)

    def read_without_each(self, user: Users, left_out: IntArray) -> tuple[Tensor, ReadHistory | None, Tensor]:
        """What `read_on` gives for a history that nothing is known of, and `queries_without_each`."""
        if self._ranking is not None:
            return self._ranking.read_without_each(user, left_out)
        return self.queries(user), None, self.queries_without_each(user, left_out)

    def vectors_without_each(self, user: Users, left_out: IntArray) -> tuple[Tensor, Tensor]:
        """The vectors of `encode_without_each` alone, shapes (1, width) and (left out, width)."""
        if self._rating is not None:
            return self._rating.vectors_without_each(user, left_out)
        whole, without = self.encode_without_each(user, left_out)
        return whole.vectors, without.vectors

    @property
    def _movie_vectors(self) -> MovieVectors:
        if self._vectors is None:
            raise NoRelevanceError
        return self._vectors


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
    """A ranking network, the vectors of its movies, and its recurrent layer as serving computes it."""

    network: RankingNetwork
    vectors: Tensor
    recurrence: Recurrence

    def read(self, user: Users, start: int, before: tuple[FloatArray, FloatArray] | None = None) -> Trace:
        """Reads one history from its rating number ``start`` on; ``before`` are state and cell before that."""
        return self.recurrence.read(self._project(user, start), before)

    def read_without_each(self, user: Users, start: int, left_out: IntArray) -> tuple[Trace, FloatArray]:
        """Such a reading, and the last states without one of the ratings, shape (left out, hidden)."""
        projected = self._project(user, start)
        whole = self.recurrence.read(projected)
        return whole, self.recurrence.without_each(projected, whole, left_out - start)

    def read_together(self, users: Users, latest: Latest) -> FloatArray:
        """The last states of several histories, shape (users, hidden)."""
        inputs = self.network.encoder.inputs(self.vectors[users.movies[latest.indices]], users.stars[latest.indices])
        return self.recurrence.read_together(inputs.numpy(), latest.lengths.numpy()).last

    def head(self, states: FloatArray, users: Users) -> Tensor:
        queries: Tensor = self.network.head(torch.from_numpy(states), users.profiles)
        return queries

    def _project(self, user: Users, start: int) -> FloatArray:
        """What the recurrence reads, shape (ratings, 5 hidden)."""
        inputs = self.network.encoder.inputs(self.vectors[user.movies[start:]], user.stars[start:])
        return self.recurrence.project(inputs.numpy())


class _RankingEncoder:
    """Users as the ranking network sees them, by NumPy."""

    def __init__(self, config: RankingConfig, members: Sequence[_Member]) -> None:
        self._config = config
        self._members = members

    @classmethod
    def of(cls, network: SeqRec, movies: MovieVectors | None) -> "_RankingEncoder | None":
        """None where NumPy does not compute what the network does."""
        ranking = network.ranking
        if ranking is None or movies is None or not _is_on_cpu(ranking):
            return None
        members = []
        for member, vectors in zip(ranking.members, own_vectors(movies, len(ranking.members)), strict=True):
            if not isinstance(member.encoder.recurrent, MultiplicativeLSTM):
                return None
            members.append(_Member(member, vectors, Recurrence(member.encoder.recurrent)))
        return cls(ranking.config, members)

    def queries(self, users: Users) -> Tensor:
        if len(users.lengths) == 1:
            return self.read_on(users, None)[0]
        latest = users.since(self._config.window_start(users.lengths))
        return joined(member.head(member.read_together(users, latest), users) for member in self._members)

    def read_on(self, user: Users, earlier: ReadHistory | None) -> tuple[Tensor, ReadHistory]:
        ratings = len(user.movies)
        start = self._config.window_start(ratings)
        if earlier is not None and earlier.start == start:
            begun = zip(self._members, earlier.ends, strict=True)
            traces = [member.read(user, earlier.ratings, end) for member, end in begun]
        else:
            traces = [member.read(user, start) for member in self._members]
        return self._read(user, start, traces)

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
        traces, states = zip(*(one.read_without_each(user, start, left_out) for one in self._members), strict=True)
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
        return self._network.join_users(outputs, torch.from_numpy(vectors))

    def encode_without_each(self, user: Users, left_out: IntArray) -> tuple[EncodedUsers, EncodedUsers]:
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
        known = torch.from_numpy(whole)
        return self.encode(user, known), self._network.join_users(outputs, torch.from_numpy(without))

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
