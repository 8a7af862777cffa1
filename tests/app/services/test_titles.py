import pytest

from app.services.titles import TitleIndex
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
    return [TITLES[id_] for id_ in sorted(INDEX.find(text))]


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
