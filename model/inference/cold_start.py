"""Cold-start movies: added after training, known by their genres and title alone.

A network holds learned values for each movie index. A cold-start movie gets those of the unknown movie, which training
has trained well by hiding known movies, together with its own genres and title; the branches that read content tell it
from others.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.features.catalogue import FIRST_INDEX, UNKNOWN, Catalogue
from model.inference.artifact import Artifact
from model.network.rating import SeqRec
from model.types import FloatArray

MOVIE_DIMENSIONS = {
    "movies.embedding.weight": 0,
    "movies.graph": 0,
    "movies.ratings": 0,
    "prior.movies": 1,
    "prior.coordinates": 0,
    "prior.rating_distributions": 0,
    "ranking.movies.embedding.weight": 0,
    "ranking.movies.popularity": 0,
}
"""The dimension that movie indices run along, for each of a network's tensors that has one."""

MEMBER = re.compile(r"(?<=^ranking\.)networks\.\d+\.")
"""In the name of a tensor of an ensemble, which has several of each."""


class ColdStartMovie(NamedTuple):
    """A movie that the model was not trained with.

    Attributes:
        title_vector: by the title model, shape (title width,); None where it is unknown.
    """

    movie_id: int
    title: str
    genres: tuple[str, ...]
    title_vector: FloatArray | None


def network_of(artifact: Artifact, cold_start_movies: Sequence[ColdStartMovie]) -> SeqRec:
    """A network for these movies alone, in the order given, with the unknown one before them.

    It has the artifact's weights, not copies of them. Genres that training never saw are left out.
    """
    network, known = artifact.network, set(artifact.catalogue.genre_names)
    catalogue = Catalogue(
        movie_ids=tuple(movie.movie_id for movie in cold_start_movies),
        titles=tuple(movie.title for movie in cold_start_movies),
        genres=tuple(tuple(name for name in movie.genres if name in known) for movie in cold_start_movies),
        genre_names=artifact.catalogue.genre_names,
    )
    titles = _title_vectors(cold_start_movies, network.movies.titles)
    small = SeqRec(network.config, torch.from_numpy(catalogue.genre_matrix), titles)
    small.load_state_dict(_values_of(network, titles.new_full((len(titles),), UNKNOWN, dtype=torch.long)), assign=True)
    return small.to(titles.device).eval()


def carried_over(artifact: Artifact, catalogue: Catalogue, titles: FloatArray) -> SeqRec | None:
    """The artifact's network for another catalogue, to train on; None if the genres are others.

    Movies that both have keep what was learned of them; those that the artifact lacks get the values of the unknown
    movie. ``titles`` has shape (movies, title width).
    """
    if catalogue.genre_names != artifact.catalogue.genre_names:
        return None
    network = artifact.network
    source = torch.from_numpy(
        np.concatenate([[UNKNOWN], artifact.catalogue.vocabulary.indices(catalogue.movie_ids)]).astype(np.int64)
    )
    carried = SeqRec(network.config, torch.from_numpy(catalogue.genre_matrix), torch.from_numpy(titles))
    carried.load_state_dict(_values_of(network, source.to(network.movies.titles.device)))
    return carried


def _values_of(network: SeqRec, source: Tensor) -> dict[str, Tensor]:
    """The network's values, with those of the movie indices ``source`` in the place of its movies."""
    dimensions = {name: MOVIE_DIMENSIONS.get(MEMBER.sub("", name)) for name in network.state_dict()}
    return {
        name: value if (dimension := dimensions[name]) is None else value.index_select(dimension, source)
        for name, value in network.state_dict().items()
    }


def _title_vectors(cold_start_movies: Sequence[ColdStartMovie], like: Tensor) -> Tensor:
    """Title vectors, zeros where there is none and for the unknown movie, shape (movies, title width).

    They have type and device of ``like``.
    """
    vectors = like.new_zeros(FIRST_INDEX + len(cold_start_movies), like.shape[1])
    for index, movie in enumerate(cold_start_movies, start=FIRST_INDEX):
        if movie.title_vector is not None:
            vectors[index] = torch.from_numpy(movie.title_vector)
    return vectors
