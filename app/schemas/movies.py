"""The catalogue."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from app.schemas.common import LARGEST_ID, MovieAnswer, Request

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    Field(description="The year in brackets at its end, as MovieLens has it.", examples=["Brand New (2026)"]),
]
GenreName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
Year = Annotated[int, Field(ge=1800, le=2200)]
GenreList = Annotated[list[GenreName], Field(max_length=30, examples=[["Comedy", "Drama"]])]


class NewMovie(Request):
    """A movie to be added."""

    movie_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = Field(
        None, description="Left out: one greater than every other.", examples=[4000]
    )
    title: Title
    year: Year | None = Field(None, description="Left out: the one at the end of the title.", examples=[2026])
    genres: GenreList = Field(default=[])
    hidden: bool = Field(False, description="Whether it is never to be recommended.")


class MovieChange(Request):
    """Fields of a movie to be set; those left out stay."""

    title: Title | None = None
    year: Year | None = None
    genres: GenreList | None = None
    hidden: bool | None = None


class Movie(MovieAnswer):
    """An entry of the catalogue."""

    hidden: bool = Field(description="True if it is never recommended.")
    in_model: bool = Field(
        description="False for a movie that came after training: the model knows its genres and title alone."
    )


class MovieDetails(Movie):
    """An entry of the catalogue, and how it is received."""

    ratings: int = Field(description="How many users have rated it.", examples=[2227])
    mean_stars: float | None = Field(description="Of its ratings; null without any.", examples=[4.55])


class Movies(BaseModel):
    """A page of the catalogue, the movies that were rated most often in training first."""

    movies: list[Movie]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class GenreNames(BaseModel):
    """The names of all genres."""

    genres: list[str] = Field(examples=[["Action", "Comedy", "Drama"]])


class SimilarMovie(MovieAnswer):
    """A movie that is like another one."""

    similarity: float = Field(description="Cosine of the model's vectors, 1 for the same direction.", examples=[0.83])


class SimilarMovies(BaseModel):
    """The most similar movies, the nearest first."""

    model: str = Field(description="Version of the model that answered.", examples=["20261123T220000Z-seqrec"])
    movie_id: int = Field(examples=[1])
    similar: list[SimilarMovie]


class PopularMovie(MovieAnswer):
    """A movie that many like."""

    weighted_rating: float = Field(
        description="Mean of its ratings and of 50 more that are as the average rating: few ratings say little.",
        examples=[4.51],
    )
    ratings: int = Field(description="In the time asked for.", examples=[2227])
    mean_stars: float = Field(description="Of these ratings.", examples=[4.55])


class PopularMovies(BaseModel):
    """Movies by weighted rating, the best first."""

    movies: list[PopularMovie]
