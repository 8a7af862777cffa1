"""Exports of other sites: read, matched, and what is not an export."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from app.services.rating_import.files import DIRECTORY_ENTRY, LARGEST_UNPACKED, MOST_MEMBERS, Text, texts_of
from app.services.rating_import.formats import MOST_ROWS, Export, RatedTitle, read
from app.services.rating_import.matching import TitleMatcher
from app.services.search.names import key_of
from app.storage.movies import MovieRecord
from model.features.catalogue import year_of
from seqrec.errors import InvalidRequest

LETTERBOXD = """\
Date,Name,Year,Letterboxd URI,Rating
2024-01-02,Heat,1995,https://boxd.it/1,4.5
2024-01-03,"Good, the Bad and the Ugly, The",1966,https://boxd.it/2,0.5
"""
WATCHED = """\
Date,Name,Year,Letterboxd URI
2024-01-02,Heat,1995,https://boxd.it/1
2024-01-04,Seven,1995,https://boxd.it/3
"""
IMDB = """\
Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),Year,Genres
tt0113277,9,2020-05-31,Heat,Heat,https://x,Movie,8.3,170,1995,"Action, Crime"
tt0082096,7,2020-06-01,The Boat,Das Boot,https://x,movie,8.4,149,1981,Drama
tt0944947,10,2020-06-02,Game of Thrones,Game of Thrones,https://x,TV Series,9.2,57,2011,Drama
tt1480055,8,2020-06-02,Winter Is Coming,Winter Is Coming,https://x,tvEpisode,8.9,62,2011,Drama
"""
TRAKT = json.dumps(
    [
        {
            "rated_at": "2020-05-31T20:15:00.000Z",
            "rating": 9,
            "type": "movie",
            "movie": {"title": "Heat", "year": 1995, "ids": {"trakt": 1, "imdb": "tt0113277", "tmdb": 949}},
        },
        {"rated_at": "2020-06-01T00:00:00.000Z", "rating": 8, "type": "show", "show": {"title": "Lost", "year": 2004}},
        {
            "listed_at": "2020-06-01T00:00:00.000Z",
            "type": "movie",
            "movie": {"title": "Alien", "year": 1979, "ids": {}},
        },
    ]
)
MOVIELENS = """\
movie_id,imdb_id,tmdb_id,rating,average_rating,title
6,0113277,949,4.5,3.8,Heat (1995)
50,0114814,629,-1,4.2,"Usual Suspects, The (1995)"
"""


def export(content: str | bytes, name: str = "") -> Export:
    return read(texts_of(content.encode() if isinstance(content, str) else content, name))


def titles(found: Export) -> list[tuple[str, int | None, float, float]]:
    return [(rating.title, rating.year, rating.given, rating.stars) for rating in found.ratings]


def moment(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def archive(files: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return written.getvalue()


def test_letterboxd_has_stars_as_they_are_and_days() -> None:
    found = export(LETTERBOXD)

    assert (found.source, found.best) == ("letterboxd", 5)
    assert titles(found) == [("Heat", 1995, 4.5, 4.5), ("Good, the Bad and the Ugly, The", 1966, 0.5, 0.5)]
    assert found.ratings[0].rated_at == moment(2024, 1, 2)


def test_the_archive_of_letterboxd_counts_what_is_watched_and_not_rated_and_what_is_still_to_be_seen() -> None:
    files = {"ratings.csv": LETTERBOXD, "watched.csv": WATCHED, "watchlist.csv": WATCHED, "lists/best.csv": "x"}
    found = export(archive(files | {"deleted/ratings.csv": LETTERBOXD.replace("Heat", "Deleted"), "profile.csv": "x"}))

    assert [rating.title for rating in found.ratings] == ["Heat", "Good, the Bad and the Ugly, The"]
    assert (len(found.watched), len(found.watchlist), found.repeated) == (1, 1, 0)


@pytest.mark.parametrize("name", ["./ratings.csv", "export//ratings.csv", "export/./ratings.csv", "/ratings.csv"])
def test_a_file_of_an_archive_is_read_however_its_path_is_spelt(name: str) -> None:
    assert len(export(archive({name: LETTERBOXD, "./lists/best.csv": LETTERBOXD})).ratings) == 2


def test_the_name_of_a_file_tells_a_watchlist_from_what_was_watched() -> None:
    watched, watchlist = export(WATCHED, "watched.csv"), export(WATCHED, "watchlist-ann.csv")

    assert (len(watched.watched), len(watched.watchlist)) == (2, 0)
    assert (len(watchlist.watched), len(watchlist.watchlist)) == (0, 2)


def test_ten_of_imdb_are_five_stars_and_series_are_no_movies() -> None:
    found = export(IMDB)

    assert (found.source, found.best, found.no_movies) == ("imdb", 10, 2)
    assert titles(found) == [("Heat", 1995, 9, 4.5), ("The Boat", 1981, 7, 3.5)]
    assert (found.ratings[1].imdb_id, found.ratings[1].original_title) == ("tt0082096", "Das Boot")
    assert found.ratings[0].rated_at == moment(2020, 5, 31)


def test_trakt_has_ids_moments_shows_and_a_watchlist() -> None:
    found = export(TRAKT)

    assert (found.source, found.best, found.no_movies, len(found.watchlist)) == ("trakt", 10, 1, 1)
    (rating,) = found.ratings
    assert (rating.imdb_id, rating.tmdb_id, rating.stars) == ("tt0113277", 949, 4.5)
    assert rating.rated_at == moment(2020, 5, 31, 20, 15)


def test_movielens_has_ids_and_its_hidden_movies_are_not_rated() -> None:
    found = export(MOVIELENS)

    assert (found.source, found.best, len(found.watched)) == ("movielens", 5, 1)
    (rating,) = found.ratings
    assert (rating.title, rating.year, rating.imdb_id, rating.tmdb_id) == ("Heat (1995)", 1995, "tt0113277", 949)
    assert (rating.stars, rating.rated_at) == (4.5, None)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("Film;Jahr;Bewertung\nAmélie, die;2001;4,5\n", id="semicolons and decimal comma"),
        pytest.param("my ratings\n\nTitle\tYear\tMy Rating\nAmélie, die\t2001\t4.5\n", id="tabs and words before"),
        pytest.param("\ufeffrating|name|release_year\r\n4.5|Amélie, die|2001\r\n", id="bars, mark, ends of Windows"),
        pytest.param('title,rating\n"Amélie, die (2001)",4.5/5\n', id="year in the title, rating of five"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "utf-16"])
def test_a_table_may_name_separate_and_encode_as_it_likes(content: str, encoding: str) -> None:
    found = export(content.encode(encoding, errors="ignore"))

    assert (found.source, found.best) == ("table", 5)
    (rating,) = found.ratings
    assert rating.title.removesuffix(" (2001)") == "Amélie, die"
    assert (rating.year, rating.stars) == (2001, 4.5)


def test_a_table_may_begin_as_an_archive_does() -> None:
    assert titles(export("PK,title,rating\n1,Heat,4\n")) == [("Heat", None, 4, 4)]


@pytest.mark.parametrize("mark", [b"PK\x07\x08", b"PK00"], ids=["in parts", "in parts of which there is one"])
def test_an_archive_may_have_a_mark_before_its_first_file(mark: bytes) -> None:
    assert len(export(mark + archive({"ratings.csv": LETTERBOXD})).ratings) == 2


def test_lines_of_two_encodings_in_one_file_are_both_read() -> None:
    lines = [b"title,year,rating\n", "Amélie,2001,4\n".encode(), "Das Boot é,1981,5\n".encode("windows-1252")]

    assert [rating.title for rating in export(b"".join(lines)).ratings] == ["Amélie", "Das Boot é"]


@pytest.mark.parametrize(
    ("most", "given", "stars"),
    [("5", "3.5", 3.5), ("10", "7", 3.5), ("10", "1", 0.5), ("100", "85", 4.5), ("100", "1", 0.5), ("10", "7.4", 3.5)],
)
def test_a_table_is_on_the_smallest_scale_that_holds_its_ratings(most: str, given: str, stars: float) -> None:
    found = export(f"title,year,rating\nA,2000,{most}\nB,2001,{given}\n")

    assert found.best == float(most)
    assert found.ratings[1].stars == stars


def test_of_ratings_on_two_scales_those_that_are_read_count() -> None:
    both = export("Title,Year,Rating,Rating10\nThe Matrix,1999,5,10\nHeat,1995,4.5,9\n")

    assert titles(both) == [("The Matrix", 1999, 5, 5), ("Heat", 1995, 4.5, 4.5)]
    assert titles(export("Title,Rating10\nHeat,4\n")) == [("Heat", None, 4, 2)]


def test_a_rating_is_on_the_scale_that_it_names() -> None:
    found = export("title,rating\nA,4/10\nB,5 / 10\n")

    assert found.best == 10
    assert titles(found) == [("A", None, 4, 2), ("B", None, 5, 2.5)]


def test_of_several_scales_each_row_has_its_own_and_is_shown_on_the_largest() -> None:
    found = export('title,rating\nA,4/5\nB,4/10\nC,1/3\nD,"2,5/10"\n')

    assert found.best == 10
    assert titles(found) == [("A", None, 8, 4), ("B", None, 4, 2), ("C", None, 3.3333, 1.5), ("D", None, 2.5, 1.5)]


@pytest.mark.parametrize(
    ("named", "plain", "best", "stars"),
    [("3/4", "", 4, []), ("8/10", "3", 10, [1.5]), ("4/5", "7", 10, [3.5]), ("4/4", "5", 5, [5]), ("3/4", "0", 4, [])],
)
def test_a_rating_that_names_no_scale_is_on_the_one_that_holds_all(
    named: str, plain: str, best: float, stars: list[float]
) -> None:
    found = export(f"title,rating\nA,{named}\nB,{plain}\n")

    assert found.best == best
    assert [rating.stars for rating in found.ratings[1:]] == stars


def test_a_scale_that_a_row_names_counts_where_the_export_has_another() -> None:
    assert titles(export(LETTERBOXD.replace("4.5", "9/10")))[0] == ("Heat", 1995, 4.5, 4.5)
    assert titles(export(IMDB.replace(",9,", ",3/5,")))[0] == ("Heat", 1995, 6, 3)


@pytest.mark.parametrize("rating", ["6/5", "10.1/10", "4/0", "0/0", "4/101", "4/1000", "4/" + "9" * 5000, "4/5/10"])
def test_a_rating_that_is_not_on_the_scale_that_it_names_is_unreadable(rating: str) -> None:
    found = export(f"title,rating\nA,{rating}\nB,5\n")

    assert (found.best, found.unreadable, titles(found)) == (5, 1, [("B", None, 5, 5)])


@pytest.mark.parametrize(
    ("given", "read_as"),
    [("949", 949), ("0" * 5000 + "949", 949), ("0" * 10 + "9" * 5000, None), (str(2**31), None), ("0", None)],
    ids=["usual", "zeros before it", "thousands of digits", "too large", "zero"],
)
def test_an_id_of_tmdb_is_a_number_that_one_can_be(given: str, read_as: int | None) -> None:
    (rating,) = export(f"title,rating,tmdbid\nHeat,9,{given}\n").ratings

    assert rating.tmdb_id == read_as


def test_of_a_title_that_is_there_twice_the_last_rating_counts() -> None:
    found = export("title,year,rating\nHeat,1995,2\nAlien,1979,5\nheat,1995,4\n")

    assert titles(found) == [("Alien", 1979, 5, 5), ("heat", 1995, 4, 4)]
    assert found.repeated == 1


def test_movies_that_are_named_by_their_ids_alone_or_have_one_title_are_told_apart() -> None:
    assert len(export("tmdb_id,rating\n1011,5\n1012,4\n1013,2\n").ratings) == 3
    assert len(export("imdb_id,rating\ntt0000011,5\ntt0000012,4\n").ratings) == 2
    assert len(export("title,tmdb_id,rating\nHamlet,10549,5\nHamlet,10264,2\n").ratings) == 2


def test_rows_that_cannot_be_read_are_counted() -> None:
    found = export("title,year,rating\n,1995,2\nAlien,1979,nine\nHeat,1995,4\nSeven,1995,\nM,1931,0\n\n")

    assert (len(found.ratings), found.unreadable, len(found.watched)) == (1, 2, 2)


@pytest.mark.parametrize(
    ("when", "seconds"),
    [
        pytest.param("2024-01-15", moment(2024, 1, 15), id="day"),
        pytest.param("20240115", moment(2024, 1, 15), id="day in digits"),
        pytest.param("20240115T2015Z", moment(2024, 1, 15, 20, 15), id="moment in digits"),
        pytest.param("2024-01-15T20:15:00+01:00", moment(2024, 1, 15, 19, 15), id="moment with a zone"),
        pytest.param("978300760", 978300760, id="nine digits"),
        pytest.param("1705276800", moment(2024, 1, 15), id="ten digits"),
    ],
)
def test_a_time_is_a_day_a_moment_or_seconds(when: str, seconds: int) -> None:
    assert export(f"title,rating,date\nHeat,4,{when}\n").ratings[0].rated_at == seconds


@pytest.mark.parametrize(
    "when",
    [
        *("soon", "31/05/2020", "2999-01-01", "-5", "99999999999999999999"),
        *("2019", "202401", "2024011", "20241301", "20240230", "1705276800000", "2023110712345"),
    ],
)
def test_a_time_that_cannot_be_read_or_is_to_come_is_none(when: str) -> None:
    assert export(f"title,rating,date\nHeat,4,{when}\n").ratings[0].rated_at is None


def bomb() -> bytes:
    return archive({"ratings.csv": b"a" * (LARGEST_UNPACKED + 1)})


def many_files() -> bytes:
    return archive({f"{number}.csv": "" for number in range(MOST_MEMBERS + 1)}, zipfile.ZIP_STORED)


def many_rows_in_two_files() -> bytes:
    rows = "A,5\n" * (MOST_ROWS // 2)
    return archive({"a.csv": f"title,rating\n{rows}", "b.csv": f"title,rating\n{rows}A,5\n"})


def many_entries() -> bytes:
    return json.dumps(json.loads(TRAKT)[:1] * (MOST_ROWS + 1)).encode()


def wide() -> bytes:
    """A row of names of columns, and of too many columns by any separator."""
    return b"title,rating" + b",;|\t" * 1000 + b"\nA,5\n"


def torn() -> bytes:
    return archive({"ratings.csv": LETTERBOXD * 50})[:200]


def workbook(name: str = "xl/workbook.xml") -> bytes:
    return archive({name: "<x/>"})


def with_a_password() -> bytes:
    """An archive whose directory says that its file is encrypted."""
    whole = bytearray(archive({"ratings.csv": LETTERBOXD}))
    whole[whole.index(DIRECTORY_ENTRY) + 8] |= 1
    return bytes(whole)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(lambda: b"", "the file is empty", id="empty"),
        pytest.param(lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "the file is a picture", id="picture"),
        pytest.param(lambda: b"\x00\x01\x02title,rating", "the file is not text", id="binary"),
        pytest.param(lambda: b"<!DOCTYPE html><html>", "the file is a web page", id="web page"),
        pytest.param(lambda: b"a,b\n1,2\n", "columns called title, year and rating", id="other table"),
        pytest.param(lambda: b'{"a": 1}', "not a list of ratings as Trakt exports it", id="other JSON"),
        pytest.param(lambda: b'[{"movie": {', "not downloaded whole", id="torn JSON"),
        pytest.param(lambda: b"[" * 100_000, "not downloaded whole", id="deep JSON"),
        pytest.param(lambda: b"title,rating\nA,101\n", "there is a rating of 101", id="other scale"),
        pytest.param(
            lambda: b'title,rating\n"' + b"A,5\n" * 50_000, "a quotation mark is not closed", id="open quotation mark"
        ),
        pytest.param(lambda: b"title,rating\n" + b"A,5\n" * (MOST_ROWS + 1), "more than 50,000 rows", id="many rows"),
        pytest.param(many_rows_in_two_files, "more than 50,000 rows", id="many rows in two files"),
        pytest.param(many_entries, "more than 50,000 rows", id="many entries of JSON"),
        pytest.param(wide, "columns called title, year and rating", id="many columns"),
        pytest.param(bomb, "more than 64 MiB when it is unpacked", id="zip bomb"),
        pytest.param(many_files, "more than 1,000 files", id="many files"),
        pytest.param(torn, "cannot be unpacked", id="torn archive"),
        pytest.param(workbook, "save it as CSV", id="workbook"),
        pytest.param(lambda: workbook("./xl/a.xml"), "save it as CSV", id="workbook, path spelt otherwise"),
        pytest.param(with_a_password, "the archive has a password: unpack it first", id="password"),
        pytest.param(lambda: archive({"a.png": "x"}), "the archive has no CSV or JSON file", id="other archive"),
        pytest.param(lambda: archive({}), "the archive has no CSV or JSON file", id="empty archive"),
        pytest.param(lambda: b"PK\x06\x06" + bytes(100), "the archive cannot be unpacked", id="torn, of 64 bits"),
    ],
)
def test_what_is_no_export_is_told_what_it_is(content: Callable[[], bytes], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        export(content())


@pytest.mark.parametrize(
    "compression",
    [
        pytest.param(zipfile.ZIP_STORED, id="stored"),
        pytest.param(zipfile.ZIP_DEFLATED, id="deflate"),
    ],
)
def test_whatever_byte_of_it_is_damaged_an_archive_is_refused_or_read(compression: int) -> None:
    whole = archive({"ratings.csv": LETTERBOXD}, compression)
    refused = 0
    for place in range(len(whole)):
        for flipped in (0x01, 0x40, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[place] ^= flipped
            try:
                export(bytes(damaged))
            except InvalidRequest:
                refused += 1
    assert refused > 100


def movie(id_: int, title: str, imdb_id: str | None = None, tmdb_id: int | None = None) -> MovieRecord:
    return MovieRecord(id_, title, year_of(title), (), False, imdb_id=imdb_id, tmdb_id=tmdb_id)


CATALOGUE = TitleMatcher(
    [
        movie(1, "Matrix, The (1999)"),
        movie(2, "Boat, The (Das Boot) (1981)"),
        movie(3, "Misérables, Les (1995)"),
        movie(4, "Misérables, Les (1998)"),
        movie(5, "Godfather: Part II, The (1974)"),
        movie(6, "Butch Cassidy and the Sundance Kid (1969)"),
        movie(7, "Star Wars: Episode IV - A New Hope (1977)"),
        movie(8, "Rocky II (1979)"),
        movie(9, "Schindler's List (1993)"),
        movie(10, "Heat (1995)", "tt0113277", 949),
        movie(11, "Professional, The (a.k.a. Leon: The Professional) (1994)"),
        movie(12, "Twelve Monkeys (1995)"),
        movie(13, "Psycho (1960)"),
        movie(14, "Evenings on Long Street Part III (1987)"),
    ]
)


def test_an_id_that_two_movies_have_says_nothing_and_the_title_decides() -> None:
    movies = TitleMatcher([movie(1, "Toy Story (1995)", "tt0114709", 862), movie(2, "Other (2011)", "tt0114709", 862)])

    match = movies.match(asked("Toy Story", 1995, imdb_id="tt0114709", tmdb_id=862))

    assert match.movie is not None
    assert (match.movie.id, match.by) == (1, "title")


def asked(title: str, year: int | None, **ids: object) -> RatedTitle:
    given = RatedTitle(1, title, None, year, 5, 5, None, None, None)
    return given._replace(**ids)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "year", "found"),
    [
        pytest.param("The Matrix", 1999, 1, id="moved article"),
        pytest.param("MATRIX", 2000, 1, id="case, no article, a year off"),
        pytest.param("Das Boot", 1981, 2, id="name in brackets"),
        pytest.param("Les Miserables", 1998, 4, id="accents, of two by the year"),
        pytest.param("The Godfather Part 2", 1974, 5, id="Roman number, punctuation"),
        pytest.param("Butch Cassidy & the Sundance Kid", 1969, 6, id="ampersand"),
        pytest.param("Star Wars", 1977, 7, id="without the subtitle"),
        pytest.param("Schindlers Lizt", 1993, 9, id="slip"),
        pytest.param("Léon: The Professional", 1994, 11, id="also known as"),
        pytest.param("12 Monkeys", None, 12, id="number in words, no year"),
    ],
)
def test_a_title_is_found_however_it_is_spelt(title: str, year: int | None, found: int) -> None:
    match = CATALOGUE.match(asked(title, year))

    assert match.movie is not None
    assert (match.movie.id, match.by) == (found, "title")


@pytest.mark.parametrize(
    ("title", "year", "candidates"),
    [
        pytest.param("Les Misérables", None, {3, 4}, id="two of one name and no year"),
        pytest.param("The Matrix", 2002, {1}, id="three years off"),
        pytest.param("Rocky III", 1979, {8}, id="another number"),
        pytest.param("Evenings on Long Street Part IV", 1988, {14}, id="another number in a long title"),
        pytest.param("Butch Cassidy and His Kid", 1969, {6}, id="another title"),
    ],
)
def test_a_title_in_doubt_has_candidates(title: str, year: int | None, candidates: set[int]) -> None:
    match = CATALOGUE.match(asked(title, year))

    assert match.movie is None
    assert {candidate.movie.id for candidate in match.candidates} == candidates


@pytest.mark.parametrize(("title", "year"), [("Psycho", 1998), ("Amélie", 2001), ("...", 1995), ("", None)])
def test_another_movie_is_not_found(title: str, year: int | None) -> None:
    match = CATALOGUE.match(asked(title, year))

    assert (match.movie, list(match.candidates)) == (None, [])


def test_ids_count_more_than_titles() -> None:
    by_imdb = CATALOGUE.match(asked("Hitze", 1996, imdb_id="tt0113277"))
    by_tmdb = CATALOGUE.match(asked("Hitze", 1996, tmdb_id=949))
    another = CATALOGUE.match(asked("Heat", 1995, imdb_id="tt0000001"))

    assert by_imdb.movie is not None
    assert (by_imdb.movie.id, by_imdb.by) == (10, "imdb_id")
    assert by_tmdb.movie is not None
    assert (by_tmdb.movie.id, by_tmdb.by) == (10, "tmdb_id")
    assert another.movie is None


def test_names_that_are_spelt_otherwise_have_one_key() -> None:
    assert {key_of(name) for name in ("The Fast & the Furious", "Fast and the Furious", "FÅST and the furious!")} == {
        "fastandthefurious"
    }
    assert key_of("Alien³") == key_of("Alien III") == key_of("alien 3")
    assert key_of("Kjærlighetens kjøtere") == key_of("Kjaerlighetens kjotere")


def test_texts_have_their_names() -> None:
    assert texts_of(b"a", "b.csv") == [Text("b.csv", "a")]


def test_without_comparing_only_ids_and_same_names_count() -> None:
    assert CATALOGUE.match(asked("The Matrix", 1999), compare=False).movie is not None
    assert CATALOGUE.match(asked("Schindlers Lizt", 1993), compare=False).movie is None


def test_of_titles_without_a_year_each_new_letter_takes_little_time() -> None:
    movies = TitleMatcher([movie(number, f"Movie number {number} (1995)") for number in range(10_000)])

    def seconds(letters: range) -> float:
        started = time.process_time()
        for letter in letters:
            movies.match(asked(f"{chr(letter)} of Oz", None))
        return time.process_time() - started

    first = seconds(range(0x4E00, 0x4E01))

    assert seconds(range(0x4E01, 0x4E81)) < 20 * first
