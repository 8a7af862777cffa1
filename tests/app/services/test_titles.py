import pytest

from app.services.search.titles import TitleIndex
from app.storage.movies import MovieRecord
from model.features.catalogue import year_of

TITLES = (
    "Toy Story (1995)",
    "Toy Story 2 (1999)",
    "Jurassic Park (1993)",
    "Lost World: Jurassic Park, The (1997)",
    "Star Wars: Episode IV - A New Hope (1977)",
    "Start the Revolution Without Me (1970)",
    "Godfather, The (1972)",
    "Matrix, The (1999)",
    "Schindler's List (1993)",
    "Léon (1994)",
    "Heat (1995)",
    "Heart and Souls (1993)",
)
INDEX = TitleIndex([MovieRecord(id_, title, year_of(title), (), False) for id_, title in enumerate(TITLES)])


def found(text: str) -> list[str]:
    return [TITLES[id_] for id_ in sorted(set().union(*INDEX.find(text)))]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        pytest.param("toy", ["Toy Story (1995)", "Toy Story 2 (1999)"], id="word"),
        pytest.param("sto to", ["Toy Story (1995)", "Toy Story 2 (1999)"], id="beginnings in any order"),
        pytest.param("toy 1999", ["Toy Story 2 (1999)"], id="year"),
        pytest.param("LEON", ["Léon (1994)"], id="case and accent"),
        pytest.param("heat", ["Heat (1995)"], id="as typed before similar"),
        pytest.param("starwars", ["Star Wars: Episode IV - A New Hope (1977)"], id="space left out"),
        pytest.param("god father", ["Godfather, The (1972)"], id="space too many"),
        pytest.param("thematrix", ["Matrix, The (1999)"], id="as it is spoken"),
        pytest.param("schindlers list", ["Schindler's List (1993)"], id="apostrophe left out"),
        pytest.param(
            "jurasic", ["Jurassic Park (1993)", "Lost World: Jurassic Park, The (1997)"], id="letter left out"
        ),
        pytest.param("toy stroy", ["Toy Story (1995)", "Toy Story 2 (1999)"], id="letters swapped"),
        pytest.param("start wars", ["Star Wars: Episode IV - A New Hope (1977)"], id="each word begins another title"),
        pytest.param("matrxi 1998", ["Matrix, The (1999)"], id="two slips"),
        pytest.param("hx", [], id="short words are right"),
        pytest.param("zzzzzz", [], id="nothing like it"),
        pytest.param(":-)", [], id="no word"),
    ],
)
def test_what_is_typed_finds_what_is_meant(text: str, titles: list[str]) -> None:
    assert found(text) == titles


def test_of_similar_titles_those_with_the_fewest_wrong_letters_are_found() -> None:
    assert found("heaty") == ["Heat (1995)"]  # one letter too many; "heart" differs in two


THINGS = (
    "Thing, The (1982)",
    "Do the Right Thing (1989)",
    "Thing From Another World, The (1951)",
    "E.T. the Extra-Terrestrial (1982)",
    "Eternal Tango (1990)",
    "Boat, The (Das Boot) (1981)",
    "Professional, The (a.k.a. Leon: The Professional) (1994)",
    "Amélie (2001)",
    "Rocky II (1979)",
    "Vertigo (1958)",
    "Love & Basketball (2000)",
    "Easter Train (2000)",
)
INDEX_OF_THINGS = TitleIndex([MovieRecord(id_, title, year_of(title), (), False) for id_, title in enumerate(THINGS)])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        pytest.param("the THING", ([0], [2], [1]), id="article and case"),
        pytest.param("thing", ([0], [2], [1]), id="no article"),
        pytest.param("thing, the", ([0], [2], [1]), id="article behind a comma"),
        pytest.param("Thing, The (1982)", ([0], [], []), id="as it is stored"),
        pytest.param("the thi", ([], [0, 2], [1]), id="the last word is still being typed"),
        pytest.param("the", ([], [0, 2, 5, 6], [1, 3]), id="an article alone"),
        pytest.param("e.t.", ([], [3, 4], [11]), id="punctuation"),
        pytest.param("das boot", ([5], [], []), id="name in brackets"),
        pytest.param("leon", ([], [6], []), id="also known as"),
        pytest.param("amelie", ([7], [], []), id="accent"),
        pytest.param("rocky ii", ([8], [], []), id="Roman number"),
        pytest.param("rocky i", ([], [8], []), id="beginning of a Roman number"),
        pytest.param("v", ([], [9], []), id="a letter that is a number too"),
        pytest.param("love basketball", ([10], [], []), id="sign left out"),
        pytest.param("amleie", ([], [], [7]), id="slip"),
        pytest.param(":-)", ([], [], []), id="no word"),
    ],
)
def test_titles_equal_a_text_or_begin_with_it(text: str, fits: tuple[list[int], list[int], list[int]]) -> None:
    assert tuple(sorted(ids) for ids in INDEX_OF_THINGS.find(text)) == fits


PARTS = (
    "Rocky (1976)",
    "Rocky II (1979)",
    "Adventures of Rocky and Bullwinkle, The (2000)",
    "Godfather, The (1972)",
    "Godfather: Part II, The (1974)",
    "12 Angry Men (1957)",
    "Star Trek VI: The Undiscovered Country (1991)",
    "Star Trek X (2002)",
    "Seven (Se7en) (1995)",
    "2001: A Space Odyssey (1968)",
)
INDEX_OF_PARTS = TitleIndex([MovieRecord(id_, title, year_of(title), (), False) for id_, title in enumerate(PARTS)])


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        pytest.param("rocky 2", [1], id="digit for Roman"),
        pytest.param("rocky two", [1], id="word for Roman"),
        pytest.param("rocky ii", [1], id="Roman"),
        pytest.param("godfather 2", [4], id="digit, without the word part"),
        pytest.param("godfather two", [4], id="word, without the word part"),
        pytest.param("godfather part two", [4], id="word behind part"),
        pytest.param("godfahter 2", [4], id="with a slip"),
        pytest.param("roc ky two", [1], id="with a space too many"),
        pytest.param("twelve angry men", [5], id="word for digits"),
        pytest.param("star trek 6", [6], id="digit for VI"),
        pytest.param("7", [8], id="digit for a word"),
        pytest.param("star trek 1", [6, 7], id="digit that begins the digits of X"),
        pytest.param("rocky 1", [0, 1, 2], id="first part, whose title has no number"),
        pytest.param("godfather part one", [3, 4], id="first part, with the word part"),
        pytest.param("godfather 19", [3, 4], id="beginning of a year"),
        pytest.param("godfather 197", [3, 4], id="year but for its last digit"),
        pytest.param("godfather 1972", [3], id="year"),
        pytest.param("200", [2, 7, 9], id="beginning of a year and of a title"),
        pytest.param("2", [1, 4, 9], id="a digit begins no year"),
    ],
)
def test_numbers_are_equal_however_they_are_written(text: str, ids: list[int]) -> None:
    assert sorted(set().union(*INDEX_OF_PARTS.find(text))) == ids


@pytest.mark.parametrize("text", ["rocky 1", "rocky one", "rocky 1976", "rocky 197", "rocky (1976)"])
def test_a_title_equals_a_text_that_ends_with_its_year_or_calls_it_the_first(text: str) -> None:
    assert INDEX_OF_PARTS.find(text).equal == {0}
