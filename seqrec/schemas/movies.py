"""The catalogue."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from seqrec.limits import LARGEST_ID, LARGEST_TMDB_ID, LATEST, MOST_GENRES
from seqrec.schemas.common import (
    ExternalId,
    MovieAnswer,
    MovieExternalId,
    NeverNull,
    Number,
    OwnId,
    Request,
    SizeSearch,
    Year,
)

_CONTROL = r"\x00-\x1f\x7f-\x9f"
PRINTABLE = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
"""Text without control characters, and with more than blanks."""

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=PRINTABLE),
    Field(description="The year in brackets at its end, as MovieLens has it.", examples=["Brand New (2026)"]),
]
GenreName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50, pattern=PRINTABLE)]
ImdbId = Annotated[str, StringConstraints(pattern=r"^tt[0-9]{7,9}$"), Field(examples=["tt0111161"])]
TmdbId = Annotated[int, Field(ge=1, le=LARGEST_TMDB_ID, examples=[278]), Number]
GenreList = Annotated[list[GenreName], Field(max_length=30, examples=[["Comedy", "Drama"]])]


class NewMovie(Request):
    """A new movie of the catalogue."""

    movie_id: Annotated[OwnId, Field(ge=1, le=LARGEST_ID), Number] | None = Field(
        default=None,
        description="Left out: one greater than every other. To the model, the id of a movie that it was trained with "
        "means that movie, also after it was deleted.",
        examples=[4000],
    )
    external_id: ExternalId | None = None
    title: Title
    year: Year | None = Field(default=None, description="Left out: the one at the end of the title.", examples=[2026])
    genres: GenreList = Field(default=[])
    hidden: bool = Field(default=False, strict=True, description="True: it is never recommended.")
    imdb_id: ImdbId | None = Field(default=None, description="Of IMDb, as in the address of its page there.")
    tmdb_id: TmdbId | None = Field(default=None, description="Of TMDB, as in the address of its page there.")


class MovieChange(Request):
    """New values of a movie's fields. Those left out stay."""

    title: Annotated[Title | None, NeverNull()] = None
    external_id: ExternalId | None = Field(default=None, description="Null takes it away.")
    year: Year | None = Field(default=None, description="Null for an unknown year. Left out: that of a new title.")
    genres: Annotated[GenreList | None, NeverNull()] = None
    hidden: Annotated[Annotated[bool, Field(strict=True)] | None, NeverNull()] = None
    imdb_id: ImdbId | None = Field(default=None, description="Of IMDb; null where it is not known.")
    tmdb_id: TmdbId | None = Field(default=None, description="Of TMDB; null where it is not known.")

    @model_validator(mode="after")
    def _only_year_and_ids_of_others_may_be_unknown(self) -> Self:
        for name in self.model_fields_set - {"year", "external_id", "imdb_id", "tmdb_id"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out, and it stays")
        return self


class MovieSearch(Request):
    """A search in the catalogue."""

    q: str = Field(
        default="", max_length=200, description="Words of the title, or their beginnings; slips are forgiven."
    )
    genre: list[str] = Field(
        default=[], max_length=MOST_GENRES, description="Only movies of any of these genres; may be repeated."
    )
    limit: int = Field(default=20, ge=1, le=1000, description="Movies on a page.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")


def _from_unix_seconds(value: object) -> object:
    """A number as a time; pydantic by itself would take large ones for milliseconds."""
    try:
        seconds = float(str(value))
    except ValueError:
        return _from_text(value)
    if not 0 <= seconds <= LATEST:
        raise ValueError(f"Unix seconds are at least 0 and at most {LATEST}")
    return datetime.fromtimestamp(seconds, UTC)


def _from_text(value: object) -> datetime:
    try:
        return _ISO_8601.validate_python(value)
    except ValidationError:
        raise ValueError("a time is wanted, as 2024-01-31 or 2024-01-31T20:15:00Z, or Unix seconds") from None


_ISO_8601 = TypeAdapter(datetime)

Moment = Annotated[
    datetime,
    BeforeValidator(_from_unix_seconds),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0, "maximum": LATEST}]}
    ),
]


class PopularSearch(SizeSearch):
    """A search for popular movies."""

    genre: list[str] = Field(
        default=[], max_length=MOST_GENRES, description="Only movies of any of these genres; may be repeated."
    )
    since: Moment | None = Field(
        default=None, description="Only ratings from then on: ISO 8601 (UTC if it says no zone), or Unix seconds."
    )
    until: Moment | None = Field(default=None, description="Only ratings before then.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and _utc(self.since) > _utc(self.until):
            raise ValueError("since is later than until")
        return self


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Movie(MovieAnswer):
    """An entry of the catalogue."""

    hidden: bool = Field(description="True if it is never recommended.", examples=[False])
    in_model: bool = Field(
        description="False for a movie that came after training: the model knows its genres and title alone.",
        examples=[True],
    )


class MovieDetails(Movie):
    """An entry of the catalogue, with the number and the mean of its ratings."""

    ratings: int = Field(description="How many users have rated it.", examples=[2227])
    mean_stars: float | None = Field(
        description="Of its ratings; null without any, and in a service without stars.", examples=[4.55]
    )


class Movies(BaseModel):
    """A page of the catalogue, the movies that fit best first; of those, the ones rated most often in training."""

    movies: list[Movie]
    next_cursor: str | None = Field(
        description="For the next page; null on the last one.", examples=["Wy0yMjI3LDMxOF0"]
    )


class GenreNames(BaseModel):
    """The names of all genres."""

    genres: list[str] = Field(examples=[["Action", "Comedy", "Drama"]])


class SimilarMovie(MovieAnswer):
    """A movie that is similar to another one."""

    similarity: float = Field(description="Cosine of the model's vectors, 1 for the same direction.", examples=[0.83])


class SimilarMovies(BaseModel):
    """The most similar movies, most similar first."""

    model: str = Field(description="Version of the model that answered.", examples=["20261123T220000Z-seqrec"])
    movie_id: OwnId = Field(examples=[1])
    movie_external_id: MovieExternalId = None
    similar: list[SimilarMovie]


class PopularMovie(MovieAnswer):
    """A movie with a high weighted rating."""

    weighted_rating: float | None = Field(
        description="Mean of its ratings and of 50 more of the average stars, since few ratings say little. Null in a "
        "service without stars, where the number of ratings decides.",
        examples=[4.51],
    )
    ratings: int = Field(description="In the time asked for.", examples=[2227])
    mean_stars: float | None = Field(description="Of these ratings; null in a service without stars.", examples=[4.55])


class PopularMovies(BaseModel):
    """Movies by weighted rating, best first."""

    movies: list[PopularMovie]


class FirstMoviesSearch(Request):
    """How many movies to ask about."""

    limit: int = Field(default=12, ge=1, le=100, description="How many movies at most; about 60 are to be had.")


class FirstMovies(BaseModel):
    """Movies to ask a newcomer about, in order."""

    model: str = Field(description="Version of the model that answered.", examples=["20261123T220000Z-seqrec"])
    chosen_by: Literal["model", "popularity"] = Field(
        description="`model`: their ratings tell the model most. `popularity`: it has chosen none, and these have the "
        "most ratings."
    )
    movies: list[Movie]
