"""Tables as people have them, converted into a folder that is read as any MovieLens set."""

import gzip
import json
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from model.data import dataset
from model.data.conversion.convert import Conversion, ConversionOptions, convert
from model.data.conversion.values import DATES
from model.data.dataset import MovieLens
from model.errors import DataError, SettingsError
from model.rating_scale import HALF_STARS, LIKE, WHOLE_STARS, OriginalScale

ROWS = [
    {"user": "ann", "item": "tt0111161", "rating": 10, "time": 1_600_000_000},
    {"user": "ann", "item": "tt0068646", "rating": 7, "time": 1_600_000_060},
    {"user": "bob", "item": "tt0111161", "rating": 1, "time": 1_600_000_030},
]
CSV = "user,item,rating,time\n" + "".join(",".join(map(str, row.values())) + "\n" for row in ROWS)
TITLES = 'item,title,genres\ntt0111161,"Shawshank Redemption, The (1994)",Drama\n'


def written(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def converted(source: Path, options: ConversionOptions | None = None) -> tuple[Conversion, MovieLens]:
    out = source.parent / "converted"
    return convert(source, out, options or ConversionOptions()), dataset.read(out)


def as_tsv(path: Path) -> Path:
    return written(path / "ratings.tsv", CSV.replace(",", "\t"))


def as_semicolons(path: Path) -> Path:
    return written(path / "ratings.txt", CSV.replace(",", ";"))


def as_json_lines(path: Path) -> Path:
    return written(path / "ratings.jsonl", "".join(f"{json.dumps(row)}\n" for row in ROWS))


def as_parquet(path: Path) -> Path:
    pl.DataFrame(ROWS).write_parquet(path / "ratings.parquet")
    return path / "ratings.parquet"


def as_gzip(path: Path) -> Path:
    (path / "ratings.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    return path / "ratings.csv.gz"


def as_json_gzip(path: Path) -> Path:
    (path / "ratings.jsonl.gz").write_bytes(gzip.compress(as_json_lines(path).read_bytes()))
    return path / "ratings.jsonl.gz"


def as_zip(path: Path) -> Path:
    with zipfile.ZipFile(path / "set.zip", "w") as archive:
        archive.writestr("set/README", "Read me.")
        archive.writestr("set/ratings.csv", CSV)
    return path / "set.zip"


def as_folder(path: Path) -> Path:
    return written(path / "set" / "ratings.csv", CSV).parent


def one_folder_deeper(path: Path) -> Path:
    return written(path / "set" / "csv" / "ratings.csv", CSV).parent.parent


def as_utf_16(path: Path) -> Path:
    (path / "ratings.csv").write_bytes(CSV.encode("utf-16"))
    return path / "ratings.csv"


def with_byte_order_mark(path: Path) -> Path:
    (path / "ratings.csv").write_bytes(CSV.encode("utf-8-sig"))
    return path / "ratings.csv"


def with_windows_lines(path: Path) -> Path:
    return written(path / "ratings.csv", CSV.replace("\n", "\r\n"))


def without_header(path: Path) -> Path:
    return written(path / "ratings.csv", CSV.partition("\n")[2])


def with_index_column(path: Path) -> Path:
    lines = [f"{'' if number == 0 else number},{line}" for number, line in enumerate(CSV.splitlines())]
    return written(path / "ratings.csv", "\n".join(lines))


def in_another_order(path: Path) -> Path:
    columns = pl.DataFrame(ROWS).select("time", "rating", "item", "user")
    return written(path / "ratings.csv", columns.rename({"user": "Reviewer ID", "item": "ASIN"}).write_csv())


@pytest.mark.parametrize(
    "form",
    [
        as_tsv,
        as_semicolons,
        as_json_lines,
        as_parquet,
        as_gzip,
        as_json_gzip,
        as_zip,
        as_folder,
        one_folder_deeper,
        as_utf_16,
        with_byte_order_mark,
        with_windows_lines,
        without_header,
        with_index_column,
        in_another_order,
    ],
    ids=lambda form: form.__name__,
)
def test_the_same_rows_are_read_from_every_form(tmp_path: Path, form: Callable[[Path], Path]) -> None:
    conversion, data = converted(form(tmp_path))

    assert (conversion.users, conversion.movies, conversion.ratings, conversion.left_out) == (2, 2, 3, [])
    assert data.ratings.sort("rated_at").rows() == [
        (1, 1, 5.0, 1_600_000_000),
        (2, 1, 0.5, 1_600_000_030),
        (1, 2, 3.5, 1_600_000_060),
    ]


def test_ids_of_any_form_are_numbered_and_written_beside_the_data(tmp_path: Path) -> None:
    conversion, _ = converted(written(tmp_path / "r.csv", CSV))

    assert (tmp_path / "converted" / "users-ids.csv").read_text() == "userId,externalId\n1,ann\n2,bob\n"
    movies = (tmp_path / "converted" / "movies-ids.csv").read_text()
    assert movies == "movieId,externalId\n1,tt0111161\n2,tt0068646\n"
    assert conversion.user_ids_as == "numbered from 1 to 2"


def test_ids_that_are_numbers_stay(tmp_path: Path) -> None:
    conversion, data = converted(written(tmp_path / "r.csv", "user,item,rating\n70,900,3\n8.0,9223372036854775807,5\n"))

    assert data.ratings.select("user_id", "movie_id").sort("user_id").rows() == [(8, 2**63 - 1), (70, 900)]
    assert (conversion.user_ids_as, conversion.movie_ids_as) == ("as they are", "as they are")


def test_text_ids_of_parquet_stay_as_they_are_and_whole_numbers_have_no_fraction(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["1", "1.0"], "item": [7.0, 8.0], "rating": [1, 5]})
    frame.write_parquet(tmp_path / "r.parquet")

    _, data = converted(tmp_path / "r.parquet")

    assert (tmp_path / "converted" / "users-ids.csv").read_text() == "userId,externalId\n1,1\n2,1.0\n"
    assert data.movies["movie_id"].sort().to_list() == [7, 8]


def test_a_converted_folder_says_which_ids_and_which_scale_the_source_had(tmp_path: Path) -> None:
    _, data = converted(as_tsv(tmp_path))

    assert data.user_external_ids == {1: "ann", 2: "bob"}
    assert data.movie_external_ids == {1: "tt0111161", 2: "tt0068646"}
    assert data.scale == OriginalScale(low=1, high=10, stars=(0.5, 5))


def test_ids_and_stars_that_stay_need_no_other_ones(tmp_path: Path) -> None:
    rows = "user,item,rating\n7,9,4\n8,9,3.5\n"
    _, data = converted(written(tmp_path / "ratings.csv", rows))

    assert (data.user_external_ids, data.movie_external_ids, data.scale) == ({}, {}, None)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        pytest.param("users-ids.csv", "user,id\n1,ann\n", "has no columns userId and externalId", id="columns"),
        pytest.param("users-ids.csv", "userId,externalId\n1,ann\n2,ann\n", "has an id twice", id="external id twice"),
        pytest.param("movies-ids.csv", "movieId,externalId\n1,a\n1,b\n", "has an id twice", id="number twice"),
        pytest.param("movies-ids.csv", "movieId,externalId\nx,a\n", "has no columns movieId", id="no number"),
        pytest.param("scale.json", '{"low": 1}', "is not a scale", id="scale"),
    ],
)
def test_a_file_of_ids_or_of_the_scale_that_is_broken_is_named(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    converted(as_tsv(tmp_path))
    (tmp_path / "converted" / name).write_text(content)
    with pytest.raises(DataError, match=f"{name}.* {says}"):
        dataset.read(tmp_path / "converted")


@pytest.mark.parametrize("odd", [str(2**63), "0", "-5", "007", "3.5"])
def test_one_id_that_cannot_stay_has_all_of_them_numbered(tmp_path: Path, odd: str) -> None:
    _, data = converted(written(tmp_path / "r.csv", f"user,item,rating\n70,900,3\n{odd},900,5\n"))

    assert data.ratings.select("user_id", "movie_id").sort("user_id").rows() == [(1, 900), (2, 900)]


@pytest.mark.parametrize(
    ("ratings", "wanted", "stars"),
    [
        pytest.param("1 3 5", None, [1, 3, 5], id="stars"),
        pytest.param("0.5 4.5 5", None, [0.5, 4.5, 5], id="half stars"),
        pytest.param("1 3.7 5", None, [1, 3.5, 5], id="stars with decimals"),
        pytest.param("0 2 5", None, [0.5, 2.5, 5], id="0 to 5"),
        pytest.param("1 4 7", None, [0.5, 3, 5], id="1 to 7"),
        pytest.param("1 2 10", None, [0.5, 1, 5], id="1 to 10"),
        pytest.param("0 5 10", None, [0.5, 3, 5], id="0 to 10"),
        pytest.param("1 60 100", None, [0.5, 3, 5], id="1 to 100"),
        pytest.param("-10 0 10", None, [0.5, 3, 5], id="-10 to 10"),
        pytest.param("-1 0 1", None, [1, 3, 5], id="-1 to 1"),
        pytest.param("0 1 1", None, [1, 5, 5], id="thumbs"),
        pytest.param("true false True", None, [5, 1, 5], id="true and false"),
        pytest.param("2 3 4", (2, 4), [1, 3, 5], id="given"),
        pytest.param("3 3 3", (1, 5), [3, 3, 3], id="all the same, scale given"),
        pytest.param("1 5 300", None, [0.5, 0.5, 5], id="unusual"),
    ],
)
def test_ratings_of_any_scale_become_stars(
    tmp_path: Path, ratings: str, wanted: tuple[float, float] | None, stars: list[float]
) -> None:
    rows = "".join(f"u{number},i,{rating}\n" for number, rating in enumerate(ratings.split()))
    source = written(tmp_path / "r.csv", f"user,item,rating\n{rows}")

    conversion, data = converted(source, ConversionOptions(scale=wanted))

    assert data.ratings.sort("user_id")["stars"].to_list() == stars
    assert data.rating_scale == (WHOLE_STARS if all(one % 1 == 0 for one in stars) else HALF_STARS)
    assert "stars" in conversion.ratings_as


def test_the_scale_is_said(tmp_path: Path) -> None:
    assert converted(written(tmp_path / "r.csv", CSV))[0].ratings_as == "1 to 10 become 0.5 to 5 stars"


def test_ratings_that_are_all_the_same_are_refused_with_what_to_do(tmp_path: Path) -> None:
    source = written(tmp_path / "r.csv", "user,item,liked\na,b,1\nc,d,1\n")

    with pytest.raises(DataError, match=r"^r.csv has the rating 1 alone, which tells no taste.*--likes.*--scale 1 10"):
        converted(source)


def test_a_table_without_ratings_is_one_of_likes_and_its_folder_has_no_stars(tmp_path: Path) -> None:
    source = written(tmp_path / "clicks.csv", "user,item,ts\na,b,1600000000\nc,d,1600000001\nc,d,1600000005\n")

    conversion, data = converted(source)

    assert not data.has_stars
    assert data.ratings["stars"].to_list() == [LIKE, LIKE]  # as the network reads them
    assert (conversion.ratings_as, conversion.scale) == ("every row is a like, without stars", None)
    assert not (tmp_path / "converted" / "ratings.csv").exists()
    assert (tmp_path / "converted" / "likes.csv").read_text().splitlines() == [
        "userId,movieId,timestamp",
        "1,1,1600000000",
        "2,2,1600000005",
    ]


def test_a_column_that_could_be_one_of_ratings_is_asked_about(tmp_path: Path) -> None:
    source = written(tmp_path / "plays.csv", "user,item,plays,ts\na,b,3,1600000000\nc,d,1,1600000001\n")

    with pytest.raises(
        DataError,
        match=r"(?s)^plays.csv lacks a known name of the column of rating. Name it: --rating COLUMN.*--likes.*"
        r"plays.csv: user, item, plays, ts",
    ):
        converted(source)
    assert not converted(source, ConversionOptions(likes=True))[1].has_stars


NINE = datetime(2020, 5, 31, 9, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        pytest.param(f"{NINE.timestamp():.0f}", "seconds", id="seconds"),
        pytest.param(f"{NINE.timestamp():.3f}", "seconds", id="seconds with decimals"),
        pytest.param(f"{NINE.timestamp() * 1e3:.0f}", "milliseconds", id="milliseconds"),
        pytest.param(f"{NINE.timestamp() * 1e6:.0f}", "microseconds", id="microseconds"),
        pytest.param(f"{NINE.timestamp() * 1e9:.0f}", "nanoseconds", id="nanoseconds"),
        pytest.param("2020-05-31T09:30:15Z", DATES, id="ISO"),
        pytest.param("2020-05-31 09:30:15", DATES, id="ISO without a zone is UTC"),
        pytest.param("2020-05-31 09:30:15.123456 UTC", DATES, id="as databases write it"),
        pytest.param("2020-05-31T11:30:15+02:00", DATES, id="ISO with a zone"),
    ],
)
def test_times_in_any_unit_are_seconds(tmp_path: Path, text: str, unit: str) -> None:
    rows = f"a,b,1,{text}\nc,b,5,{text}\n"
    conversion, data = converted(written(tmp_path / "r.csv", f"user,item,rating,time\n{rows}"))

    assert data.ratings["rated_at"].to_list() == [NINE.timestamp()] * 2
    assert conversion.times_as == unit


def test_a_day_is_its_first_second_and_times_of_parquet_are_read(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["a", "b"], "item": [1, 1], "rating": [1.0, 5.0], "time": [NINE, NINE]})
    frame.write_parquet(tmp_path / "r.parquet")
    conversion, data = converted(tmp_path / "r.parquet")
    assert (data.ratings["rated_at"].to_list(), conversion.times_as) == ([NINE.timestamp()] * 2, DATES)

    source = written(tmp_path / "days" / "r.csv", "user,item,rating,date\na,b,1,1970-01-02\nc,b,5,1970-01-03\n")
    conversion, data = converted(source)
    assert (data.ratings["rated_at"].sort().to_list(), conversion.times_as) == ([86_400, 2 * 86_400], DATES)


def test_dates_among_numbers_are_dates_whatever_the_unit_of_the_numbers_is(tmp_path: Path) -> None:
    rows = f"a,b,1,2020-05-31T09:30:15Z\na,c,2,{NINE.timestamp() * 1e3:.0f}\na,d,3,{NINE.timestamp() * 1e3:.0f}\n"
    conversion, data = converted(written(tmp_path / "r.csv", f"user,item,rating,time\n{rows}"))

    assert data.ratings["rated_at"].to_list() == [NINE.timestamp()] * 3
    assert conversion.times_as == f"{DATES}, and milliseconds"


def test_days_in_digits_alone_are_days(tmp_path: Path) -> None:
    rows = "a,b,1,20240115\na,c,2,20240229\na,d,3,\n"
    conversion, data = converted(written(tmp_path / "r.csv", f"user,item,rating,time\n{rows}"))

    days = [datetime(2024, 1, 15, tzinfo=UTC).timestamp(), datetime(2024, 2, 29, tzinfo=UTC).timestamp()]
    assert data.ratings["rated_at"].sort().to_list() == days
    assert conversion.times_as == DATES


def test_numbers_of_which_some_are_no_days_are_seconds(tmp_path: Path) -> None:
    rows = "a,b,1,20240115\na,c,2,20240230\na,d,3,7\n"
    conversion, data = converted(written(tmp_path / "r.csv", f"user,item,rating,time\n{rows}"))

    assert data.ratings["rated_at"].sort().to_list() == [7, 20240115, 20240230]
    assert conversion.times_as == "seconds"


def test_without_times_the_order_of_the_rows_counts(tmp_path: Path) -> None:
    conversion, data = converted(written(tmp_path / "r.csv", "user,item,rating\na,z,1\na,y,5\na,x,3\n"))

    movies = dict(pl.read_csv(tmp_path / "converted" / "movies-ids.csv").rows())
    assert [movies[movie] for movie in data.ratings.sort("rated_at")["movie_id"]] == ["z", "y", "x"]
    assert conversion.times_as.startswith("none: the order of the rows counts")


def test_rows_that_say_nothing_are_left_out_by_reason_with_the_first_row(tmp_path: Path) -> None:
    late = int(time.time()) + 200_000
    source = written(
        tmp_path / "r.csv",
        "user,item,rating,time\na,b,1,5\n,b,2,5\na,,2,5\na,c,good,5\na,d,nan,5\na,c,5,never\na,c,5,-5\n"
        f"a,c,5,{late}\nb,b,5,6\n",
    )
    conversion, data = converted(source)

    assert len(data.ratings) == 2
    assert [(one.reason, one.rows, one.first_row) for one in conversion.left_out] == [
        ("no user", 1, 2),
        ("no item", 1, 3),
        ("the rating is not a number on the scale", 2, 4),
        ("the time is neither a number nor a date as in 2024-05-31", 1, 6),
        ("the time is before 1970", 1, 7),
        ("the time is in the future", 1, 8),
    ]


def test_of_two_ratings_of_a_user_and_an_item_the_later_one_is_kept(tmp_path: Path) -> None:
    conversion, data = converted(
        written(tmp_path / "r.csv", "user,item,rating,time\na,b,1,300\na,b,4,200\na,c,2,7\na,c,3,7\n")
    )

    assert data.ratings.sort("movie_id")["stars"].to_list() == [1, 3]
    assert conversion.replaced == 2


def test_titles_and_genres_come_from_a_second_table(tmp_path: Path) -> None:
    ratings, titles = written(tmp_path / "r.csv", CSV), written(tmp_path / "t" / "movies.csv", TITLES)
    conversion, data = converted(ratings, ConversionOptions(items=titles))

    assert data.movies.rows() == [
        (1, "Shawshank Redemption, The (1994)", 1994, ["Drama"]),
        (2, "tt0068646", None, []),
    ]
    assert (conversion.items_table, conversion.titled) == ("movies.csv", 1)


def test_a_second_table_may_name_its_columns_otherwise(tmp_path: Path) -> None:
    ratings, titles = written(tmp_path / "r.csv", CSV), written(tmp_path / "t.csv", "sku,label\ntt0111161,A\n")

    with pytest.raises(DataError, match=r"(?s)Name them: --items-id COLUMN --title COLUMN.*t.csv: sku, label"):
        converted(ratings, ConversionOptions(items=titles))
    _, data = converted(ratings, ConversionOptions({"items-id": "sku", "title": "label"}, titles))
    assert data.movies["title"].to_list() == ["A", "tt0068646"]


def test_a_second_table_in_the_same_folder_is_found(tmp_path: Path) -> None:
    written(tmp_path / "set" / "movies.csv", TITLES + "tt9,Unrated (2020),Drama\n")
    written(tmp_path / "set" / "users.csv", "user,age\nann,30\n")
    written(tmp_path / "set" / "ratings.csv", CSV)
    conversion, data = converted(tmp_path / "set")

    assert (conversion.table, conversion.items_table) == ("ratings.csv", "movies.csv")
    assert data.movies["title"].to_list() == ["Shawshank Redemption, The (1994)", "tt0068646", "Unrated (2020)"]


def test_names_of_users_are_not_taken_for_titles(tmp_path: Path) -> None:
    written(tmp_path / "set" / "users.csv", "id,name\ntt0111161,Ann\n")
    written(tmp_path / "set" / "ratings.csv", CSV)
    written(tmp_path / "set" / "README.txt", "")

    assert converted(tmp_path / "set")[0].items_table is None


def test_two_tables_of_titles_are_refused_by_name(tmp_path: Path) -> None:
    for name, content in {"a.csv": TITLES, "b.csv": TITLES, "ratings.csv": CSV}.items():
        written(tmp_path / "set" / name, content)

    with pytest.raises(DataError, match=r"more than one table of titles: a.csv, b.csv. Name one .* with --items"):
        converted(tmp_path / "set")
    options = ConversionOptions(items=tmp_path / "set" / "a.csv")
    assert converted(tmp_path / "set", options)[0].items_table == "a.csv"


def test_titles_may_stand_in_the_table_of_the_ratings(tmp_path: Path) -> None:
    source = written(tmp_path / "r.csv", "user,item,rating,title,year\na,7,5,Alien,1979\nb,7,1,Alien,1979\n")

    assert converted(source)[1].movies.rows() == [(7, "Alien (1979)", 1979, [])]


@pytest.mark.parametrize(
    ("genres", "names"),
    [
        ("Drama | Comedy", ["Drama", "Comedy"]),
        ('"Drama, Comedy"', ["Drama", "Comedy"]),
        ("Drama;Comedy;Drama", ["Drama", "Comedy"]),
        ("\"['Drama', 'Children''s']\"".replace("''", "'"), ["Drama", "Children's"]),
        ("\"[{'id': 18, 'name': 'Drama'}, {'id': 35, 'name': 'Comedy'}]\"", ["Drama", "Comedy"]),
        ("{Drama}", ["Drama"]),
        ('"Drama\nComedy"', ["Drama", "Comedy"]),
        ('"[{""name"":\n""Drama\tof old""}]"', ["Drama of old"]),
        ('"[\n ""Drama"",\r\n ""Comedy""\n]"', ["Drama", "Comedy"]),
        ("[]", []),
        ("", []),
    ],
)
def test_genres_are_read_as_people_write_them(tmp_path: Path, genres: str, names: list[str]) -> None:
    titles = written(tmp_path / "t.csv", f"id,title,genres\ntt0111161,A,{genres}\n")
    _, data = converted(written(tmp_path / "r" / "r.csv", CSV), ConversionOptions(items=titles))

    assert data.movies["genres"].to_list() == [names, []]


def test_genres_of_parquet_and_json_are_lists(tmp_path: Path) -> None:
    rows = [{"item": "tt0111161", "title": "A", "genres": ["Drama", "Comedy"]}]
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    titles = [tmp_path / "t.parquet", written(tmp_path / "t.jsonl", json.dumps(rows[0]))]

    for number, items in enumerate(titles):
        _, data = converted(written(tmp_path / str(number) / "r.csv", CSV), ConversionOptions(items=items))
        assert data.movies["genres"].to_list() == [["Drama", "Comedy"], []]


def test_a_title_with_line_breaks_and_quotes_is_one_line(tmp_path: Path) -> None:
    titles = written(tmp_path / "t.csv", 'id,title\ntt0111161,"The ""Best"",\n of All"\ntt0068646," "\n')
    _, data = converted(written(tmp_path / "r" / "r.csv", CSV), ConversionOptions(items=titles))

    assert data.movies["title"].to_list() == ['The "Best", of All', "tt0068646"]


def test_columns_are_named_by_options(tmp_path: Path) -> None:
    rows = "who,what,how,when,stars\na,x,1,5,9\nb,x,2,6,9\n"
    options = ConversionOptions({"user": "who", "item": "what", "rating": "how", "time": "when"})
    conversion, data = converted(written(tmp_path / "r.csv", rows), options)

    assert data.ratings.select("stars", "rated_at").rows() == [(1, 5), (2, 6)]
    assert conversion.columns == {"user": "who", "item": "what", "rating": "how", "time": "when"}


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"r.csv has no column 'who'. It has: user, item, rating, time"):
        converted(written(tmp_path / "r.csv", CSV), ConversionOptions({"user": "who"}))


@pytest.mark.parametrize("role", ["title", "genres"])
def test_a_column_of_titles_that_is_nowhere_is_refused(tmp_path: Path, role: str) -> None:
    with pytest.raises(DataError, match=r"r.csv has no column 'label'. It has: user, item, rating, time"):
        converted(written(tmp_path / "r.csv", CSV), ConversionOptions({role: "label"}))


def test_two_tables_of_ratings_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("test.csv", "train.csv"):
        written(tmp_path / "set" / name, CSV)

    with pytest.raises(DataError, match=r"more than one table of ratings: test.csv, train.csv. Name one"):
        converted(tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        pytest.param("r.csv", "user,item,rating\na,b,1\nc,d,2,9\n", "line 3 has more than 3 fields", id="fields"),
        pytest.param("r.csv", 'user,item,rating\na,b,"1\n', "r.csv cannot be read", id="open quote"),
        pytest.param("r.csv", "", "r.csv cannot be read", id="empty"),
        pytest.param("r.csv", "user,item,rating\n", "no rating that is a number", id="header alone"),
        pytest.param("r.csv", "user,item,rating\na,b,x\n", "no rating that is a number", id="words"),
        pytest.param("r.csv", "user,item,rating\n,b,1\n,d,2\n", "no user in 2 rows", id="nobody"),
        pytest.param("r.jsonl", '{"user": 1, "item": 2, "rating": 3}\n{"us\n', "line 2", id="JSON"),
        pytest.param("r.json", '[{"user": 1}]', "r.json cannot be read, line 1", id="array"),
        pytest.param("r.parquet", "text", "r.parquet cannot be read", id="Parquet"),
        pytest.param("r.doc", "text", "r.doc has no table. Tables are files that end in .csv", id="another kind"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        converted(written(tmp_path / name, content))
    assert not (tmp_path / "converted").exists()


def test_names_of_columns_do_not_meet_those_of_the_conversion(tmp_path: Path) -> None:
    source = written(tmp_path / "r.csv", "row,user,item,index\n7,1,ann,x\n8,5,bob,x\n")
    columns = {"user": "item", "item": "index", "rating": "user", "time": "row"}
    _, data = converted(source, ConversionOptions(columns))

    assert data.ratings.select("stars", "rated_at").rows() == [(1, 7), (5, 8)]


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_numbers_that_are_none_are_left_out(tmp_path: Path, number: str) -> None:
    rows = f"a,b,1,5\na,c,{number},5\na,d,2,{number}\n"
    conversion, data = converted(written(tmp_path / "r.csv", f"user,item,rating,time\n{rows}"))

    assert (len(data.ratings), conversion.times_as) == (1, "seconds")


def test_a_scale_the_wrong_way_round_is_refused_before_anything_is_read() -> None:
    with pytest.raises(SettingsError, match=r"^--scale 10 1 must name the worst rating first"):
        ConversionOptions(scale=(10, 1))


@pytest.mark.parametrize("name", ["set.zip", "ratings.csv.gz"])
def test_a_damaged_archive_is_named(tmp_path: Path, name: str) -> None:
    whole = as_zip(tmp_path) if name == "set.zip" else as_gzip(tmp_path)
    content = bytearray(whole.read_bytes())
    content[content.index(b"set/ratings.csv") + 20 if name == "set.zip" else -12] ^= 0xFF
    whole.write_bytes(content)

    with pytest.raises(DataError, match=f"{name} cannot be unpacked"):
        converted(whole)


def test_text_in_windows_1252_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes("user,item,rating,title\na,1,5,Amélie\nb,1,1,Amélie\n".encode("windows-1252"))

    assert converted(tmp_path / "r.csv")[1].movies["title"].to_list() == ["Amélie"]


def test_progress_is_told_up_to_the_last_row(tmp_path: Path) -> None:
    seen: list[int] = []
    convert(written(tmp_path / "r.csv", CSV), tmp_path / "out", ConversionOptions(), seen.append)

    assert seen[-1] == 3


@pytest.mark.slow
def test_a_million_rows_are_converted_within_twenty_seconds(tmp_path: Path) -> None:
    row = pl.int_range(1_000_000)
    pl.select(
        user=pl.format("u{}", row // 200),
        item=pl.format("tt{}", row * 7 % 4000),
        rating=1 + row % 10,
        time=10**12 + row * 1000,
    ).write_csv(tmp_path / "r.csv")
    started = time.perf_counter()
    conversion = convert(tmp_path / "r.csv", tmp_path / "out", ConversionOptions())

    assert time.perf_counter() - started < 20
    assert (conversion.ratings, conversion.users, conversion.movies) == (1_000_000, 5000, 4000)
