"""Routes that search the catalogue and change its movies."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api import headers, translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.parameters import KnownMovieId, MovieId
from app.edge.keys import with_key
from app.edge.routes import BulkRoute, Route
from app.services.movies import Links
from seqrec.errors import Conflict, DatabaseUnavailable, InvalidRequest, MovieExists, MovieNotFound, StorageFull
from seqrec.schemas.common import SizeSearch
from seqrec.schemas.movies import (
    FirstMovies,
    FirstMoviesSearch,
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
    description="Every word of `q` has to begin a word of the title, or its year from two digits on; case and accents "
    "do not matter, nor whether a number up to 13 is Roman, Arabic or a word (`rocky 2`, `rocky two`). Where no title "
    "fits, spaces do not matter either (`starwars`), and where still none fits, nor do a few wrong letters "
    "(`jurasic`), nor a 1 at the end (`rocky 1`). Movies whose title equals `q` come first, then those whose title "
    "begins with it, then the others; of each, those rated most often in training come first. Articles do not count "
    "for this order, and another title in brackets is a title too. Hidden movies are included.",
    response_model=Movies,
    responses=headers.described(200, "ETag", "Link") | responses(InvalidRequest, DatabaseUnavailable),
)
def search_movies(request: Request, services: ServicesDependency, wanted: Annotated[MovieSearch, Query()]) -> Response:
    page = services.movies.search(wanted.q, wanted.genre, wanted.limit, wanted.cursor)
    body = Movies(movies=[translation.movie(entry) for entry in page.entries], next_cursor=page.next_cursor)
    link = headers.next_page(request, page.next_cursor)
    return headers.conditional(request, headers.state_tag(page.state), body, headers.SHARED | link)


@router.get(
    "/genres",
    summary="The names of all genres",
    description="Those that any movie of the catalogue has, in alphabetical order; a filter takes them in any case.",
    response_model=GenreNames,
    responses=headers.described(200, "ETag") | responses(DatabaseUnavailable),
)
def list_genres(request: Request, services: ServicesDependency) -> Response:
    state = services.host.current_state()
    body = GenreNames(genres=list(state.catalogue.genres))
    return headers.conditional(request, headers.state_tag(state), body, headers.SHARED)


@router.get(
    "/movies/popular",
    summary="Popular movies, by weighted rating",
    description="Ratings that another process wrote count after at most half a minute.",
    responses=headers.described(200, "Deprecation") | responses(InvalidRequest, DatabaseUnavailable),
)
def list_popular_movies(
    response: Response, services: ServicesDependency, wanted: Annotated[PopularSearch, Query()]
) -> PopularMovies:
    response.headers.update(headers.deprecation(wanted))
    since, until = translation.unix_seconds_from(wanted.since), translation.unix_seconds_from(wanted.until)
    popular = services.popularity.find(wanted.genre, since, until, wanted.limit)
    return PopularMovies(movies=[translation.popular_movie(movie) for movie in popular])


@router.get(
    "/movies/first",
    summary="Movies to ask a newcomer about first",
    description="Well-known movies whose ratings tell the model most, in the order in which to ask about them: who has "
    "not seen one is asked about the next. Chosen at the end of the training; from a model without such a choice, the "
    "movies with the most ratings, of many genres. None is hidden.",
    response_model=FirstMovies,
    responses=headers.described(200, "ETag") | responses(InvalidRequest, DatabaseUnavailable),
)
def list_first_movies(
    request: Request, services: ServicesDependency, wanted: Annotated[FirstMoviesSearch, Query()]
) -> Response:
    first = services.movies.first(wanted.limit)
    body = FirstMovies(
        model=first.state.scorer.version,
        chosen_by=first.chosen_by,
        movies=[translation.movie(entry) for entry in first.entries],
    )
    return headers.conditional(request, headers.state_tag(first.state), body, headers.SHARED)


@bulk.post(  # the first one loads the title model
    "/movies",
    status_code=201,
    summary="Add a movie",
    description="The model knows it at once by its genres and title. The first one after a start takes some seconds "
    "longer, until the title model is loaded. `external_id` is the movie's id in another system, and names it wherever "
    "`movie_id` does.",
    responses=headers.described(201, "Location")
    | responses(MovieExists, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def create_movie(new: NewMovie, request: Request, response: Response, services: ServicesDependency) -> MovieDetails:
    entry, stats = services.movies.add(
        new.movie_id,
        title=new.title,
        year=new.year,
        genres=new.genres,
        hidden=new.hidden,
        external_id=new.external_id,
        links=Links(new.imdb_id, new.tmdb_id),
    )
    added = translation.movie_details(entry, stats)
    response.headers.update(headers.location(request, added.movie_id))
    return added


@router.get(
    "/movies/{movie_id:movie}",
    summary="A movie",
    description="With the number and the mean of its ratings as they are now.",
    response_model=MovieDetails,
    responses=headers.described(200, "ETag") | responses(MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def get_movie(movie_id: MovieId, request: Request, services: ServicesDependency) -> Response:
    movie = translation.movie_details(*services.movies.get(movie_id))
    # No revision counts the ratings of a movie, so its tag is made of all that the answer says.
    return headers.conditional(request, headers.entity_tag(movie), movie, headers.SHARED)


@bulk.patch(  # so may a new title
    "/movies/{movie_id:movie}",
    summary="Change a movie, or hide it",
    description="Fields that are left out stay. A hidden movie keeps its ratings and is in no list.",
    responses=responses(MovieNotFound, MovieExists, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def update_movie(movie_id: MovieId, request: MovieChange, services: ServicesDependency) -> MovieDetails:
    fields = request.model_dump(exclude_unset=True, exclude={"genres"})
    return translation.movie_details(*services.movies.change(movie_id, fields, request.genres))


@router.delete(
    "/movies/{movie_id:movie}",
    status_code=204,
    summary="Delete a movie with all its ratings; deleting again does nothing",
    description="It also leaves the histories of all who rated it. To take it out of lists alone, hide it.",
    responses=responses(InvalidRequest, DatabaseUnavailable, StorageFull),
)
def delete_movie(movie_id: KnownMovieId, services: ServicesDependency) -> None:
    if movie_id is not None:
        services.movies.remove(movie_id)


@router.get(
    "/movies/{movie_id:movie}/similar",
    summary="Movies that the model represents similarly",
    description="By the cosine of the model's vectors, the most similar first; hidden movies are left out.",
    response_model=SimilarMovies,
    responses=headers.described(200, "ETag", "Deprecation")
    | responses(MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def list_similar_movies(
    movie_id: MovieId, request: Request, services: ServicesDependency, wanted: Annotated[SizeSearch, Query()]
) -> Response:
    answer = services.movies.similar(movie_id, wanted.limit)
    body = translation.similar_movies(movie_id, answer)
    told = headers.SHARED | headers.deprecation(wanted)
    return headers.conditional(request, headers.state_tag(answer.state), body, told)
