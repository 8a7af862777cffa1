"""A user's whole story over HTTP, told with the Python client to a real server, on SQLite and on PostgreSQL."""

import asyncio
import base64
import json
from collections.abc import Iterator

import httpx
import pytest
from server import running
from sqlalchemy import Engine

from app.main import create_app
from app.services.popularity import by_weighted_rating
from app.storage.ratings import RatingStats
from model.data.dataset import MovieLens
from model.inference.scorer import Scorer
from seqrec.client import AsyncClient, Client
from seqrec.errors import InvalidRequest, MovieNotFound, UserNotFound
from seqrec.schemas.ratings import NewRating


@pytest.fixture
def address(loaded: Engine, scorer: Scorer) -> Iterator[str]:
    with running(create_app(loaded, scorer)) as address:
        yield address


@pytest.fixture
def seqrec(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


def test_from_signing_up_to_leaving(seqrec: Client, sample: MovieLens) -> None:
    user = seqrec.create_user(gender="F", age=25)
    assert user.user_id == 121
    assert seqrec.recommend(user.user_id).based_on == "profile"

    rated = [movie.movie_id for movie in seqrec.search_movies(limit=10).movies]
    for movie_id in rated:
        seqrec.rate(user.user_id, movie_id, stars=1 + movie_id % 5)
    assert seqrec.user(user.user_id).ratings == 10

    listed = seqrec.recommend(user.user_id, explain=True)
    ids = [entry.movie_id for entry in listed.recommendations]
    assert (listed.based_on, listed.rank_by, len(ids)) == ("history", "relevance", 10)
    assert not set(ids) & set(rated)
    assert all(entry.source == "model" for entry in listed.recommendations)
    assert {reason.movie_id for entry in listed.recommendations for reason in entry.reasons or []} <= set(rated)

    dramas = seqrec.recommend(user.user_id, genre=["Drama"], year_from=1960, exclude=ids[:1], n=100)
    assert dramas.recommendations
    assert all("Drama" in entry.genres and (entry.year or 0) >= 1960 for entry in dramas.recommendations)
    assert ids[0] not in [entry.movie_id for entry in dramas.recommendations]

    seen: list[int] = []
    while page := seqrec.recommend(user.user_id, n=17, offset=len(seen)).recommendations:
        seen += [entry.movie_id for entry in page]
    assert sorted(seen) == sorted(set(range(1, 81)) - set(rated))

    seqrec.update_movie(ids[0], hidden=True)
    assert ids[0] not in [entry.movie_id for entry in seqrec.recommend(user.user_id, n=100).recommendations]

    seqrec.delete_rating(user.user_id, rated[0])
    assert rated[0] in [entry.movie_id for entry in seqrec.recommend(user.user_id, n=100).recommendations]

    exported = [rating for rating in seqrec.export_ratings() if rating.user_id == user.user_id]
    assert {rating.movie_id: rating.stars for rating in exported} == {id_: 1 + id_ % 5 for id_ in rated[1:]}

    seqrec.delete_user(user.user_id)
    with pytest.raises(UserNotFound, match="There is no user 121"):
        seqrec.recommend(user.user_id)
    assert sum(1 for _ in seqrec.export_ratings()) == len(sample.ratings)


def test_the_history_comes_newest_first_and_in_pages_that_join(seqrec: Client, sample: MovieLens) -> None:
    own = sample.ratings.filter(sample.ratings["user_id"] == 1).sort("rated_at", "movie_id", descending=True)

    entries, cursor = [], None
    while True:
        page = seqrec.ratings(1, limit=7, cursor=cursor)
        entries += page.ratings
        cursor = page.next_cursor
        if cursor is None:
            break

    assert [(entry.movie_id, entry.stars, entry.rated_at) for entry in entries] == own.select(
        "movie_id", "stars", "rated_at"
    ).rows()


def test_a_batch_is_written_whole_or_not_at_all_and_bad_entries_are_named_by_index(seqrec: Client) -> None:
    good = [NewRating(user_id=1, movie_id=movie_id, stars=4.5, rated_at=1_750_000_000) for movie_id in (1, 2)]
    bad = [NewRating(user_id=1, movie_id=900, stars=3), NewRating(user_id=901, movie_id=1, stars=3)]
    before = seqrec.user(1).ratings

    with pytest.raises(InvalidRequest) as caught:
        seqrec.rate_many([*good, *bad])
    assert [detail.field for detail in caught.value.details] == ["body.ratings.2.movie_id", "body.ratings.3.user_id"]
    assert seqrec.user(1).ratings == before

    assert seqrec.rate_many([*good, *good]).written == 4
    assert [entry.stars for entry in seqrec.ratings(1, limit=2).ratings] == [4.5, 4.5]


def test_an_export_can_be_imported_and_a_bad_line_is_named_and_writes_nothing(address: str, seqrec: Client) -> None:
    exported = [rating.model_dump_json().encode() + b"\n" for rating in seqrec.export_ratings()]
    for movie_id in [entry.movie_id for entry in seqrec.ratings(1).ratings]:
        seqrec.delete_rating(1, movie_id)

    broken = [*exported[:2], b'{"user_id": 1, "movie_id": 1, "stars": 9}\n', b"{\n", *exported[4:]]
    with pytest.raises(InvalidRequest, match=r"line 3\.stars.*line 4: ") as caught:
        seqrec.import_ratings(broken)
    assert len(caught.value.details) == 2
    assert seqrec.user(1).ratings == 0

    assert seqrec.import_ratings(exported).written == len(exported)
    assert [rating.model_dump_json().encode() + b"\n" for rating in seqrec.export_ratings()] == exported


def test_a_user_without_ratings_and_profile_gets_popular_movies_marked_as_popular(seqrec: Client) -> None:
    user = seqrec.create_user()
    listed = seqrec.recommend(user.user_id, n=5)
    popular = seqrec.popular_movies(n=5)

    assert (listed.based_on, listed.rank_by) == ("nothing", "popularity")
    assert {entry.source for entry in listed.recommendations} == {"popular"}
    assert [entry.movie_id for entry in listed.recommendations] == [movie.movie_id for movie in popular.movies]
    assert seqrec.recommend(user.user_id, rank_by="relevance").recommendations[0].source == "model"


def test_anyone_gets_the_list_of_a_user_with_the_same_history_and_profile(seqrec: Client) -> None:
    user = seqrec.create_user()
    history = {5: 5.0, 9: 2.0, 30: 4.0}
    for at, (movie_id, stars) in enumerate(history.items()):
        seqrec.rate(user.user_id, movie_id, stars, rated_at=1000 + at)

    assert seqrec.recommend_anonymous(history).recommendations == seqrec.recommend(user.user_id).recommendations
    assert [entry.predicted_stars for entry in seqrec.predict([1, 5], history=history).predictions] == [
        entry.predicted_stars for entry in seqrec.predict([1, 5], user_id=user.user_id).predictions
    ]


def test_candidates_are_ranked_as_they_stand_in_the_whole_list(seqrec: Client) -> None:
    listed = [entry.movie_id for entry in seqrec.recommend(1, n=100).recommendations]
    wanted = listed[3:30:5]

    ranked = seqrec.rank(wanted[::-1], user_id=1)
    assert [entry.movie_id for entry in ranked.recommendations] == wanted

    rated = seqrec.ratings(1).ratings[0].movie_id
    assert seqrec.rank([rated, *wanted], user_id=1).recommendations[-1].relevance == 0
    with pytest.raises(MovieNotFound, match="There is no movie 900"):
        seqrec.rank([900], history={1: 5})


def test_a_movie_that_came_after_training_is_searched_predicted_recommended_and_said_to_be_new(seqrec: Client) -> None:
    added = seqrec.create_movie("Amélie's Quantum Ghost (2026)", genres=["Comedy", "Sci-Fi"])
    assert (added.movie_id, added.year, added.in_model, added.ratings) == (81, 2026, False, 0)

    assert [movie.movie_id for movie in seqrec.search_movies("amelie QUAN").movies] == [81]
    (entry,) = [entry for entry in seqrec.recommend(1, n=100).recommendations if entry.movie_id == 81]
    assert (entry.title, entry.in_model) == ("Amélie's Quantum Ghost (2026)", False)
    (predicted,) = seqrec.predict([81], user_id=1).predictions
    assert predicted.predicted_stars == pytest.approx(entry.predicted_stars, abs=2e-4)

    seqrec.update_movie(81, genres=["Horror"])
    (changed,) = seqrec.predict([81], user_id=1).predictions
    assert changed.predicted_stars != predicted.predicted_stars

    seqrec.rate(1, 81, 5)
    assert seqrec.movie(81).mean_stars == 5
    seqrec.delete_movie(81)
    with pytest.raises(MovieNotFound):
        seqrec.movie(81)


def test_similar_movies_and_users_are_the_nearest_and_never_oneself(seqrec: Client) -> None:
    movies = seqrec.similar_movies(1, n=79)
    cosines = [entry.similarity for entry in movies.similar]
    assert (len(cosines), cosines) == (79, sorted(cosines, reverse=True))
    assert 1 not in [entry.movie_id for entry in movies.similar]
    assert seqrec.similar_movies(movies.similar[0].movie_id, n=79).model == movies.model

    users = seqrec.similar_users(1, n=5)
    cosines = [entry.similarity for entry in users.similar]
    assert (len(cosines), cosines) == (5, sorted(cosines, reverse=True))
    assert 1 not in [entry.user_id for entry in users.similar]


def test_two_users_with_the_same_history_are_each_others_nearest(seqrec: Client) -> None:
    twins = [seqrec.create_user().user_id for _ in range(2)]
    for twin in twins:
        for at, movie_id in enumerate((3, 7, 40)):
            seqrec.rate(twin, movie_id, 5, rated_at=at)

    (nearest,) = seqrec.similar_users(twins[0], n=1).similar
    assert (nearest.user_id, nearest.similarity) == (twins[1], 1.0)


def test_popular_is_by_weighted_rating_within_the_time_and_genres_asked_for(seqrec: Client) -> None:
    for user_id in range(1, 41):
        seqrec.rate(user_id, 7, 5, rated_at=1_750_000_000)
    seqrec.rate(1, 8, 5, rated_at=1_750_000_001)

    (first, second) = seqrec.popular_movies(n=100, since=1_750_000_000).movies
    assert (first.movie_id, first.ratings, first.mean_stars, second.movie_id) == (7, 40, 5, 8)
    assert [movie.movie_id for movie in seqrec.popular_movies(n=100, since=1_750_000_001).movies] == [8]
    genre = first.genres[0]
    assert all(genre in movie.genres for movie in seqrec.popular_movies(n=100, genre=[genre]).movies)


def test_the_weighted_rating_is_the_mean_with_fifty_average_ratings_more() -> None:
    rating_stats_by_movie = {1: RatingStats(50, 5.0), 2: RatingStats(150, 3.0), 3: RatingStats(1, 5.0)}
    # The average of all 201 ratings is (250 + 450 + 5) / 201 = 3.5075.
    ranked = by_weighted_rating(rating_stats_by_movie)

    assert [id_ for id_, _ in ranked] == [1, 3, 2]
    assert [round(weighted, 3) for _, weighted in ranked] == [4.254, 3.537, 3.127]


def test_the_async_client_gets_the_same_answers(address: str, seqrec: Client) -> None:
    async def ask() -> tuple:
        async with AsyncClient(address) as client:
            listed, movies = await asyncio.gather(client.recommend(1), client.search_movies("the"))
            listed = listed.model_copy(update={"recommendation_id": None})
            exported = [rating async for rating in client.export_ratings()]
            lines = [rating.model_dump_json().encode() + b"\n" for rating in exported[:3]]
            written = await client.import_ratings(lines)
            with pytest.raises(UserNotFound):
                await client.user(9999)
            return listed, movies, len(exported), written.written

    assert asyncio.run(ask()) == (
        seqrec.recommend(1).model_copy(update={"recommendation_id": None}),
        seqrec.search_movies("the"),
        sum(1 for _ in seqrec.export_ratings()),
        3,
    )


def test_every_answer_carries_the_request_id_and_the_version_of_the_model(address: str, scorer: Scorer) -> None:
    given = httpx.get(f"{address}/users/1/recommendations", headers={"X-Request-ID": "mine-1"})
    assert (given.headers["x-request-id"], given.headers["x-model-version"]) == ("mine-1", scorer.version)

    for path in ("/users/9999", "/nowhere", "/health/live"):
        answer = httpx.get(address + path, headers={"X-Request-ID": 'bad id with spaces and "quotes"'})
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.headers["x-model-version"] == scorer.version


def test_filters_that_do_not_exist_are_refused_not_passed_over(address: str) -> None:
    for path, says in (
        ("/users/1/recommendations?gerne=Drama", "gerne"),
        ("/users/1/recommendations?genre=Dramma", "there is no genre 'Dramma'"),
        ("/users/1/recommendations?year_from=1990&year_to=1980", "year_from is later"),
        ("/movies?cursor=nonsense", "not a cursor of this service"),
    ):
        answer = httpx.get(address + path)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path
        assert says in json.dumps(answer.json())


def test_a_genre_is_one_whatever_its_case_and_a_new_one_comes_with_its_first_movie(seqrec: Client) -> None:
    before = len(seqrec.search_movies(genre=["Drama"], limit=1000).movies)
    seqrec.create_movie("Case (2001)", genres=["drama", "Noir"])

    assert len(seqrec.search_movies(genre=["dRaMa"], limit=1000).movies) == before + 1
    assert seqrec.genres().genres.count("Noir") == 1
    assert "drama" not in seqrec.genres().genres
    assert [movie.title for movie in seqrec.search_movies(genre=["noir"]).movies] == ["Case (2001)"]


def test_a_change_leaves_what_it_does_not_name(seqrec: Client) -> None:
    before = seqrec.movie(1)

    assert seqrec.update_movie(1, title="No year in it").year == before.year
    assert seqrec.update_movie(1, title="Far (9999)").year == before.year
    assert seqrec.update_movie(1, title="Near (1999)").year == 1999
    assert seqrec.update_movie(1, year=None).year is None
    assert seqrec.movie(1).genres == before.genres


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "/movies?cursor=" + base64.urlsafe_b64encode(b"[" * 60).decode(), None, id="deep cursor"),
        pytest.param("GET", "/users/1/ratings?cursor=W3RydWUsZmFsc2Vd", None, id="cursor of booleans"),
        pytest.param("GET", "/users/1/ratings?cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5LDFd", None, id="cursor too great"),
        pytest.param("GET", "/movies/popular?since=2001-01-01&until=2000-01-01", None, id="since after until"),
        pytest.param("GET", "/movies?genres=Drama", None, id="unknown parameter"),
        pytest.param("POST", "/movies", {"title": "A\u0000B"}, id="NUL in a title"),
        pytest.param("PATCH", "/movies/1", {"title": None}, id="no title"),
        pytest.param("PUT", "/users/1/ratings/1", {"stars": 4, "rated_at": 1_700_000_000_000}, id="milliseconds"),
        pytest.param("PUT", "/users/1/ratings/1", {"stars": 4.3}, id="no half star"),
    ],
)
def test_what_cannot_be_is_refused_and_is_no_fault_of_the_service(
    address: str, method: str, path: str, body: object
) -> None:
    answer = httpx.request(method, address + path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text


def test_a_search_for_signs_finds_nothing_and_a_time_before_all_ratings_everything(address: str) -> None:
    for sign in ("!!!", "\uff9e", "\u037a"):
        assert httpx.get(f"{address}/movies", params={"q": sign}).json()["movies"] == []
    assert len(httpx.get(f"{address}/movies/popular?since=0001-01-01").json()["movies"]) == 10


def test_an_import_says_what_it_reads(address: str) -> None:
    answer = httpx.post(f"{address}/import/ratings", content=b"{}", headers={"content-type": "text/plain"})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")
