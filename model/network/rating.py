"""The SeqRec network: prior, branches, output network and head."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from model.errors import NoRelevanceError
from model.network.batch import Moments, Users
from model.network.branches import BRANCHES, Branch, MovieTable, feed_forward
from model.network.config import NetworkConfig
from model.network.drift import Drift
from model.network.ensemble import Ranking, build_ranking
from model.network.heads import Stars, build_head
from model.network.prior import MovieFactors, Prior, empty_prior
from model.network.ranking import MovieVectors
from model.network.stars_in_relevance import StarsInRelevance

MOVIES_AT_ONCE = 20_000
"""Movies whose vectors by the prior are in memory together, some hundred megabytes."""


@dataclass(frozen=True)
class EncodedUsers:
    """Users, encoded up to the point where the movie comes in.

    Attributes:
        hidden: the users' summand of the first output layer, before the activation, shape (users, hidden).
        vectors: their encoding by the prior, shape (users, width).
        drift: what each gives more than the prior expects, in stars, shape (users,); None where the network has none.
    """

    hidden: Tensor
    vectors: Tensor
    drift: Tensor | None = None

    def take(self, index: Tensor | slice) -> "EncodedUsers":
        """The users at these indices, which may repeat; those of a slice share their memory."""
        return EncodedUsers(self.hidden[index], self.vectors[index], None if self.drift is None else self.drift[index])

    @property
    def tensors(self) -> list[Tensor]:
        """All that there are."""
        return [self.hidden, self.vectors, *([] if self.drift is None else [self.drift])]

    def copied(self) -> "EncodedUsers":
        """The same in memory of their own."""
        return EncodedUsers(*(tensor.clone() for tensor in self.tensors))

    def drifted(self, base: Tensor) -> Tensor:
        """The prior's predictions, shape (users, ...), with each user's drift."""
        return base if self.drift is None else base + self.drift.view(-1, *(1,) * (base.dim() - 1))


@dataclass(frozen=True)
class EncodedMovies:
    """Movies, encoded up to the point where the user comes in.

    Attributes:
        hidden: the movies' summand of the first output layer, before the activation, shape (movies, hidden).
        prior: their encoding by the prior.
    """

    hidden: Tensor
    prior: MovieFactors

    @property
    def rows(self) -> int:
        """The number of movies."""
        return len(self.hidden)

    def take(self, indices: Tensor) -> "EncodedMovies":
        """A copy of the movies at these indices, which may repeat."""
        vectors, offsets = (part[indices] for part in self.prior)
        return EncodedMovies(self.hidden[indices], MovieFactors(vectors, offsets))

    def put(self, places: Tensor, others: "EncodedMovies") -> None:
        """Write others over the movies of a mask, in place."""
        for own, new in zip((self.hidden, *self.prior), (others.hidden, *others.prior), strict=True):
            own[places] = new


class SeqRec(nn.Module):
    """Predicts the stars that a user would give a movie.

    A prior (`model.network.prior`) makes a base prediction, and the network learns its residual; the history branch
    reads residuals instead of stars. The published network has the mean of all ratings as its prior.

    The outputs of all branches are concatenated and passed through the output network. Its first layer is linear in the
    concatenation [u; m] of the user's and the movie's branches, so it splits into two summands::

        W [u; m] + b = (W_u u + b) + W_m m

    Each is computed once: a movie's for all users, and a user's for all movies. Scoring a user against the whole
    catalogue takes one pass of the branches for the user and none for the movies.

    A head (`model.network.heads`) turns outputs and base prediction into stars. For a distribution over stars, the
    output network also reads the base prediction and each movie's distribution of ratings, since the shape of the
    distribution depends on where on the scale its mean is.

    A network that also ranks has a `RankingNetwork`, which shares no weights with the rest (`model.network.ranking`).
    One that learns from data without stars has nothing else: no prior, no branches, no output network and no head.
    """

    def __init__(self, config: NetworkConfig, genres: Tensor, titles: Tensor) -> None:
        """``genres`` (movies, genres) and ``titles`` (movies, title width); index 0 is the unknown movie.

        The prior's values are placeholders, to be loaded.
        """
        super().__init__()
        self.config = config
        # The order in which the modules are built decides which random numbers they start with: to reorder them changes
        # what a seed trains.
        self.movies = MovieTable(config, genres, titles)
        if config.predicts_stars:
            self._build_rating_layers(config, len(genres))
        # Built last, so that all other weights start the same with it and without it.
        self.ranking = build_ranking(config, genres, titles)
        # Named as in the weights of every artifact.
        self.liking = StarsInRelevance.of(config.ranking, self.prior) if config.predicts_stars else None

    def _build_rating_layers(self, config: NetworkConfig, vocabulary_size: int) -> None:
        self.prior = empty_prior(config, vocabulary_size)
        self.branches = nn.ModuleDict({name: BRANCHES[name](config, self.movies) for name in config.branches})
        self.head = build_head(config)
        self.drift = Drift() if config.drift else None
        self.reads_prior = config.likelihood == "categorical"
        self.user_width, self.movie_width = (
            sum(b.width for b in self._side(side).values()) for side in ("user", "movie")
        )
        if self.reads_prior:
            self.movie_width += self.prior.feature_width
        # Columns of the weight: user branches, movie branches, and last the base prediction, if it is read.
        self.first = nn.Linear(self.user_width + self.movie_width + self.reads_prior, config.output_layers[0])
        self.rest = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(config.dropout),
            *feed_forward(config.output_layers[0], config.output_layers[1:], config.dropout),
            nn.Linear(config.output_layers[-1], self.head.outputs),
        )

    def _side(self, side: str) -> dict[str, Branch]:
        branches = ((name, branch) for name, branch in self.branches.items() if isinstance(branch, Branch))
        return {name: branch for name, branch in branches if branch.side == side}

    @property
    def user_branches(self) -> list[Branch]:
        """The branches that read users, in the order in which the output network reads them."""
        return list(self._side("user").values())

    def require_ranking(self) -> Ranking:
        """The ranking network; `NoRelevanceError` if this network predicts stars alone."""
        if self.ranking is None:
            raise NoRelevanceError
        return self.ranking

    def fit_liking(self) -> None:
        """Fit what relevance takes from the prior, once that is there."""
        if self.liking is not None:
            self.liking.fit(self._movie_factors())

    def compared(self, movies: MovieVectors, factors: MovieFactors | None = None) -> MovieVectors:
        """All movies of the ranking network as lists compare them, by `StarsInRelevance`, with `compared_queries`.

        ``factors`` are the movies as the prior encodes them, where they are there already.
        """
        if self.liking is None:
            return movies
        return self.liking.movies(movies, self._movie_factors() if factors is None else [factors])

    def compared_queries(self, queries: Tensor, vectors: Callable[[], Tensor]) -> Tensor:
        """Queries of the ranking network that fit the movies of `compared`, shape (users, horizons, width).

        ``vectors`` are those of the users by the prior, asked for only where they are needed.
        """
        return queries if self.liking is None else self.liking.queries(queries, vectors())

    def _movie_factors(self) -> Iterator[MovieFactors]:
        """All movies as the prior encodes them, in parts: a vector has a thousand entries."""
        indices = torch.arange(len(self.movies), device=self.movies.titles.device)
        return map(self.prior.encode_movies, torch.split(indices, MOVIES_AT_ONCE))

    def encode_users(self, users: Users, prior: Prior | None = None, moments: Moments | None = None) -> EncodedUsers:
        """Encode a batch of users from profile and history, as they are after it.

        With ``moments`` the result has one row for each target in place of each user, as the user is at that moment.

        ``prior`` replaces the network's own: in training, users are encoded by a prior that was not fitted to them
        (`model.factorization.cross_fitting`).
        """
        prior = prior or self.prior
        with _full_precision(users.stars):
            vectors = prior.encode_users(users)
        residuals = prior.residuals(users, vectors)
        outputs = [branch(users, residuals, self.movies) for branch in self.user_branches]
        encoded = self.join_users(outputs, vectors)
        if moments is not None:
            encoded = encoded.take(moments.user_index)
        if self.drift is None:
            return encoded
        with _full_precision(users.stars):
            errors = prior.errors(users, vectors)
            return replace(encoded, drift=self.drift(errors, users.lengths, moments or Moments.after(users)))

    def join_users(self, outputs: Sequence[Tensor], vectors: Tensor) -> EncodedUsers:
        """Users from the outputs of all `user_branches`, each (users, width), and their vectors by the prior."""
        weight = self.first.weight[:, : self.user_width]
        hidden = nn.functional.linear(torch.cat(list(outputs), dim=-1), weight, self.first.bias)
        return EncodedUsers(hidden, vectors)

    def encode_movies(self, indices: Tensor, prior: Prior | None = None) -> EncodedMovies:
        """Encode the movies at these indices, shape (movies,); ``prior`` as for `encode_users`."""
        prior = prior or self.prior
        outputs = [branch(indices, self.movies) for branch in self._side("movie").values()]
        if self.reads_prior:
            outputs.append(prior.movie_features(indices))
        weight = self.first.weight[:, self.user_width : self.user_width + self.movie_width]
        hidden = nn.functional.linear(torch.cat(outputs, dim=-1), weight)  # the bias is in the users' summand
        return EncodedMovies(hidden, prior.encode_movies(indices))

    def score(self, users: EncodedUsers, movies: EncodedMovies) -> Stars:
        """Stars for pairs: the k-th user with the k-th movie, or a single user or movie with all on the other side."""
        return self.head.stars(*self._outputs(users, movies))

    def score_each(self, users: EncodedUsers, movies: EncodedMovies) -> Stars:
        """Stars of every user for every movie, shape (users, movies)."""
        with _full_precision(users.vectors):
            base = users.drifted(users.vectors @ movies.prior.vectors.T + movies.prior.offsets)
        return self.head.stars(self._residual_outputs(users.hidden.unsqueeze(1) + movies.hidden, base), base)

    def losses(self, users: EncodedUsers, movies: EncodedMovies, stars: Tensor) -> Tensor:
        """The head's loss for each pair and the stars in the data; all of shape (pairs,)."""
        return self.head.losses(*self._outputs(users, movies), stars)

    def _outputs(self, users: EncodedUsers, movies: EncodedMovies) -> tuple[Tensor, Tensor]:
        """Outputs of the last layer, shape (pairs, outputs), and the base prediction in stars, shape (pairs,)."""
        with _full_precision(users.vectors):
            base = users.drifted(_products(users.vectors, movies.prior.vectors) + movies.prior.offsets)
        return self._residual_outputs(users.hidden + movies.hidden, base), base

    def _residual_outputs(self, hidden: Tensor, base: Tensor) -> Tensor:
        """Outputs of the last layer, shape (..., outputs), from both summands of the first and the base prediction."""
        if self.reads_prior:
            # The last column of the first layer; centred, so that the input is small.
            hidden = hidden + (base - self.prior.mean).unsqueeze(-1) * self.first.weight[:, -1]
        outputs: Tensor = self.rest(hidden)
        return outputs


def _products(users: Tensor, movies: Tensor) -> Tensor:
    """Dot product of each pair, shape (pairs,)."""
    # A single user against the whole catalogue is a matrix-vector product: no copies of the user for each movie.
    products: Tensor = movies @ users[0] if len(users) == 1 else torch.linalg.vecdot(users, movies)
    return products


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Turns mixed precision off for the prior: between 2 and 4, bfloat16 has steps of 0.016 stars."""
    return torch.autocast(tensor.device.type, enabled=False)
