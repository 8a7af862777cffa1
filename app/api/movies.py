from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from app.api.dependencies import ServicesDependency
from app.api.error_handlers import responses
from app.api.parameters import MovieId, Nearest
from app.api.translation import movie_fields
from app.services.movies import CatalogueEntry
from app.services.popularity import popular
from app.storage.ratings import RatingStats
from seqrec.errors import DatabaseUnavailable, InvalidRequest, MovieExists, MovieNotFound
from seqrec.schemas.movies import (
    GenreNames,
    Movie,
    MovieChange,
    MovieDetails,
    Movies,
    MovieSearch,
    NewMovie,
    PopularMovie,
    PopularMovies,
    PopularSearch,
    SimilarMovie,
    SimilarMovies,
)

router = APIRouter(tags=["movies"])


@router.get(
    "/movies",
    summary="Search the catalogue",
    description="Every word of `q` has to begin a word of the title; case and accents do not matter. The movies rated "
    "most often in training come first. Hidden movies are found too.",
    responses=responses(InvalidRequest, DatabaseUnavailable),
)
def search_movies(
    services: ServicesDependency,
    wanted: Annotated[MovieSearch, Query()],
) -> Movies:
    page, next_cursor = services.movies.search(wanted.q, wanted.genre, wanted.limit, wanted.cursor)
    return Movies(movies=[Movie(**_entry(entry)) for entry in page], next_cursor=next_cursor)


@router.get("/genres", summary="The names of all genres", responses=responses(DatabaseUnavailable))
def list_genres(services: ServicesDependency) -> GenreNames:
    return GenreNames(genres=list(services.movies.genres()))


@router.get(
    "/movies/popular",
    summary="Popular movies, by weighted rating",
    responses=responses(InvalidRequest, DatabaseUnavailable),
)
def list_popular_movies(
    services: ServicesDependency,
    wanted: Annotated[PopularSearch, Query()],
) -> PopularMovies:
    since, until = _seconds(wanted.since), _seconds(wanted.until)
    found = popular(services.host, wanted.genre, since, until, wanted.n)
    return PopularMovies(
        movies=[
            PopularMovie(
                **movie_fields(movie),
                weighted_rating=round(weighted, 4),
                ratings=rating_stats.ratings,
                mean_stars=round(rating_stats.mean_stars or 0, 4),
            )
            for movie, weighted, rating_stats in found
        ]
    )


@router.post(
    "/movies",
    status_code=201,
    summary="Add a movie",
    description="The model knows it at once by its genres and title. The first one after a start takes some seconds "
    "longer, until the title model is loaded.",
    responses=responses(MovieExists, InvalidRequest, DatabaseUnavailable),
)
def create_movie(request: NewMovie, services: ServicesDependency) -> MovieDetails:
    return _details(*services.movies.add(request.movie_id, request.title, request.year, request.genres, request.hidden))


@router.get(
    "/movies/{movie_id}",
    summary="A movie",
    responses=responses(MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def get_movie(movie_id: MovieId, services: ServicesDependency) -> MovieDetails:
    return _details(*services.movies.get(movie_id))


@router.patch(
    "/movies/{movie_id}",
    summary="Change a movie, or hide it",
    responses=responses(MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def update_movie(movie_id: MovieId, request: MovieChange, services: ServicesDependency) -> MovieDetails:
    fields = request.model_dump(exclude_unset=True, exclude={"genres"})
    return _details(*services.movies.change(movie_id, fields, request.genres))


@router.delete(
    "/movies/{movie_id}",
    status_code=204,
    summary="Delete a movie with all its ratings; deleting again does nothing",
    responses=responses(InvalidRequest, DatabaseUnavailable),
)
def delete_movie(movie_id: MovieId, services: ServicesDependency) -> None:
    services.movies.remove(movie_id)


@router.get(
    "/movies/{movie_id}/similar",
    summary="Movies with a similar representation in the model",
    responses=responses(MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def list_similar_movies(
    movie_id: MovieId,
    services: ServicesDependency,
    n: Nearest = 10,
) -> SimilarMovies:
    found = services.recommender.similar_movies(movie_id, n)
    nearest = [SimilarMovie(**movie_fields(movie), similarity=cosine) for movie, cosine in found.nearest]
    return SimilarMovies(model=found.model, movie_id=movie_id, similar=nearest)


def _seconds(moment: datetime | None) -> int | None:
    """Unix seconds; a time without a zone is in UTC."""
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _entry(entry: CatalogueEntry) -> dict[str, object]:
    return {**movie_fields(entry.movie), "hidden": entry.movie.hidden, "in_model": entry.in_model}


def _details(entry: CatalogueEntry, rating_stats: RatingStats) -> MovieDetails:
    mean_stars = None if rating_stats.mean_stars is None else round(rating_stats.mean_stars, 4)
    return MovieDetails(**_entry(entry), ratings=rating_stats.ratings, mean_stars=mean_stars)
