"""Routes that search the catalogue and change its movies."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api import translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.parameters import MovieId, Nearest
from app.edge.keys import with_key
from app.edge.routes import BulkRoute, Route
from seqrec.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    MovieExists,
    MovieNotFound,
    StorageFull,
)
from seqrec.schemas.movies import (
    GenreNames,
    MovieChange,
    MovieDetails,
    Movies,
    MovieSearch,
    NewMovie,
    PopularMovies,
    PopularSearch,
    SimilarMovies,
)

router = APIRouter(tags=["movies"], route_class=Route, dependencies=[with_key])
bulk = APIRouter(tags=["movies"], route_class=BulkRoute, dependencies=[with_key])
routers = (router, bulk)


@router.get(
    "/movies",
    summary="Search the catalogue",
    description="Every word of `q` has to begin a word of the title; case and accents do not matter. The movies rated "
    "most often in training come first. Hidden movies are included.",
    responses=responses(InvalidRequest, DatabaseUnavailable),
)
def search_movies(
    services: ServicesDependency,
    wanted: Annotated[MovieSearch, Query()],
) -> Movies:
    page, next_cursor = services.movies.search(wanted.q, wanted.genre, wanted.limit, wanted.cursor)
    return Movies(movies=[translation.movie(entry) for entry in page], next_cursor=next_cursor)


@router.get("/genres", summary="The names of all genres", responses=responses(DatabaseUnavailable))
def list_genres(services: ServicesDependency) -> GenreNames:
    return GenreNames(genres=list(services.movies.genres()))


@router.get(
    "/movies/popular",
    summary="Popular movies, by weighted rating",
    description="Ratings that another process wrote count after at most half a minute.",
    responses=responses(InvalidRequest, DatabaseUnavailable),
)
def list_popular_movies(
    services: ServicesDependency,
    wanted: Annotated[PopularSearch, Query()],
) -> PopularMovies:
    since, until = translation.unix_seconds_from(wanted.since), translation.unix_seconds_from(wanted.until)
    popular = services.popularity.find(wanted.genre, since, until, wanted.n)
    return PopularMovies(movies=[translation.popular_movie(movie) for movie in popular])


@bulk.post(  # the first one loads the title model
    "/movies",
    status_code=201,
    summary="Add a movie",
    description="The model knows it at once by its genres and title. The first one after a start takes some seconds "
    "longer, until the title model is loaded.",
    responses=responses(MovieExists, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def create_movie(request: NewMovie, services: ServicesDependency) -> MovieDetails:
    return translation.movie_details(
        *services.movies.add(request.movie_id, request.title, request.year, request.genres, request.hidden)
    )


@router.get(
    "/movies/{movie_id:movie}",
    summary="A movie",
    responses=responses(MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def get_movie(movie_id: MovieId, services: ServicesDependency) -> MovieDetails:
    return translation.movie_details(*services.movies.get(movie_id))


@router.patch(
    "/movies/{movie_id:movie}",
    summary="Change a movie, or hide it",
    responses=responses(MovieNotFound, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def update_movie(movie_id: MovieId, request: MovieChange, services: ServicesDependency) -> MovieDetails:
    fields = request.model_dump(exclude_unset=True, exclude={"genres"})
    return translation.movie_details(*services.movies.change(movie_id, fields, request.genres))


@router.delete(
    "/movies/{movie_id:movie}",
    status_code=204,
    summary="Delete a movie with all its ratings; deleting again does nothing",
    responses=responses(InvalidRequest, DatabaseUnavailable, StorageFull),
)
def delete_movie(movie_id: MovieId, services: ServicesDependency) -> None:
    services.movies.remove(movie_id)


@router.get(
    "/movies/{movie_id:movie}/similar",
    summary="Movies that the model represents similarly",
    responses=responses(MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def list_similar_movies(
    movie_id: MovieId,
    services: ServicesDependency,
    n: Nearest = 10,
) -> SimilarMovies:
    return translation.similar_movies(movie_id, services.recommender.similar_movies(movie_id, n))
