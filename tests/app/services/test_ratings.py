"""The order of a user's history: by time, which the service chooses where a rating brings none."""

import codecs
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from app.services.json_lines import LONGEST_LINE
from app.services.ratings import Ratings
from app.storage import ratings
from app.storage.database import Database
from model.features.history import tie_breaker
from seqrec.errors import InvalidRequest
from seqrec.limits import MOST_SECONDS_AHEAD
from seqrec.schemas.ratings import NewRating

NOW = 1_000_000_000


@pytest.fixture
def service(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Ratings:
    """Users 1 and 2, movies 1 to 40, no ratings; the clock stands still."""
    with engine.begin() as connection:
        for user_id in (1, 2):
            connection.execute(text(f"INSERT INTO users (id) VALUES ({user_id})"))
        for movie_id in range(1, 41):
            connection.execute(text(f"INSERT INTO movies (id, title) VALUES ({movie_id}, 'A')"))
    set_clock(monkeypatch, NOW)
    return Ratings(Database(engine))


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr("app.services.ratings.now", lambda: seconds)


def history(service: Ratings, user_id: int = 1) -> list[int]:
    """The user's movies as the model and the training read them, the oldest rating first."""
    with service.database.reads() as session:
        return ratings.histories(session, [user_id])[user_id].history.movie_ids.tolist()


def untimed(user_id: int, movie_id: int) -> NewRating:
    return NewRating(user_id=user_id, movie_id=movie_id, stars=4)


def test_ratings_within_one_second_stay_in_the_order_in_which_they_came(service: Ratings) -> None:
    for movie_id in (9, 3, 7):
        service.put(1, movie_id, 4, None)

    assert history(service) == [9, 3, 7]


def test_a_clock_that_is_set_back_changes_no_order(service: Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    service.put(1, 9, 4, None)
    set_clock(monkeypatch, NOW - 3600)
    service.put(1, 3, 4, None)
    set_clock(monkeypatch, NOW + 60)
    service.put(1, 7, 4, None)

    assert history(service) == [9, 3, 7]
    page = service.page_for_user(1, limit=3)
    assert [entry.rating.rated_at for entry in page.ratings] == [NOW + 60, NOW + 1, NOW]


def test_no_rating_is_later_than_an_import_takes(service: Ratings) -> None:
    last = NOW + MOST_SECONDS_AHEAD
    service.put(1, 1, 4, last - 1)  # of a device whose clock is ahead
    for movie_id in (2, 3, 4):
        service.put(1, movie_id, 4, None)

    page = service.page_for_user(1, limit=4)
    assert [entry.rating.rated_at for entry in page.ratings] == [last, last, last, last - 1]


def test_what_is_rated_again_comes_last(service: Ratings) -> None:
    for movie_id in (9, 3, 9):
        service.put(1, movie_id, 4, None)

    assert history(service) == [3, 9]


def test_ratings_of_one_request_are_in_its_order_and_end_now(service: Ratings) -> None:
    service.put_all([untimed(1, 9), untimed(2, 5), untimed(1, 3), untimed(1, 7), untimed(2, 4)])

    assert (history(service, 1), history(service, 2)) == ([9, 3, 7], [5, 4])
    newest = [service.page_for_user(user_id, 1)[0][0].rating.rated_at for user_id in (1, 2)]
    assert newest == [NOW, NOW]


def test_a_time_that_is_given_is_kept_and_what_comes_after_it_without_one_is_later(service: Ratings) -> None:
    later = NewRating(user_id=1, movie_id=9, stars=4, rated_at=NOW + 600)
    service.put_all([untimed(1, 8), later, untimed(1, 3), NewRating(user_id=1, movie_id=40, stars=1, rated_at=5)])
    service.put(1, 2, 4, None)

    assert history(service) == [40, 8, 9, 3, 2]
    given = {entry.movie.id: entry.rating.rated_at for entry in service.page_for_user(1, 9)[0]}
    assert (given[9], given[40]) == (NOW + 600, 5)


def test_ratings_that_bring_the_same_time_are_in_the_order_of_training_and_not_as_they_came(service: Ratings) -> None:
    movie_ids = list(range(2, 12))
    for movie_id in movie_ids:
        service.put(1, movie_id, 4, 1000)

    assert history(service) == sorted(movie_ids, key=lambda movie_id: tie_breaker(1, movie_id)) != movie_ids


def test_an_import_without_times_is_in_the_order_of_its_lines(
    service: Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.ratings.RATINGS_AT_ONCE", 7)  # several blocks
    movies = [movie_id * 7 % 41 for movie_id in range(1, 41)]
    lines = (json.dumps({"user_id": 1, "movie_id": movie_id, "stars": 4}) for movie_id in movies)

    assert service.import_lines(io.BytesIO("\n".join(lines).encode())) == 40
    assert history(service) == movies


def test_what_is_wrong_with_a_line_is_told_in_plain_words(service: Ratings) -> None:
    lines = ['{"user_id": 1, "movie_id": 1, "stars": 6}', '{"user_id": 1, "stars": 3}', "{", "7"]

    with pytest.raises(InvalidRequest) as refused:
        service.import_lines(io.BytesIO("\n".join(lines).encode()))

    assert [(one.field, one.message) for one in refused.value.details] == [
        ("line 1.stars", "must be at most 5"),
        ("line 2.movie_id", "is required"),
        ("line 3", "is not valid JSON"),
        ("line 4", "must be an object"),
    ]


def test_a_line_that_is_too_long_is_one_line(service: Ratings) -> None:
    rating = b'{"user_id": 1, "movie_id": 1, "stars": 4}'
    lines = [rating, rating + b" " * 20_000 + b"7", rating.ljust(LONGEST_LINE), rating.ljust(LONGEST_LINE + 1), b"7"]

    with pytest.raises(InvalidRequest) as refused:
        service.import_lines(io.BytesIO(b"\n".join(lines)))

    assert [(one.field, one.message) for one in refused.value.details] == [
        ("line 2", "is longer than 10,000 bytes"),
        ("line 4", "is longer than 10,000 bytes"),
        ("line 5", "must be an object"),
    ]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_the_longest_line_is_read_whatever_is_before_and_after_it(service: Ratings, ending: bytes) -> None:
    line = b'{"user_id": 1, "movie_id": 1, "stars": 4'.ljust(LONGEST_LINE - 1) + b"}"

    assert service.import_lines(io.BytesIO(codecs.BOM_UTF8 + line + ending)) == 1


def test_ratings_of_one_user_at_the_same_time_get_times_of_their_own(service: Ratings) -> None:
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda movie_id: service.put(1, movie_id, 4, None), range(1, 25)))

    assert {written.rating.rated_at for written in given} == set(range(NOW, NOW + 24))
