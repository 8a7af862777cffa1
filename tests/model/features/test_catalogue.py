import numpy as np
import pytest

from model.features.catalogue import UNKNOWN, Catalogue, Vocabulary, display_title
from model.features.users import Profile, encode_profiles


def test_ids_have_the_indices_of_their_order_and_index_zero_is_unknown() -> None:
    vocabulary = Vocabulary([10, 7, 42])

    assert vocabulary.indices([7, 10, 42, 8]).tolist() == [2, 1, 3, UNKNOWN]
    assert len(vocabulary) == 4
    assert 42 in vocabulary
    assert 8 not in vocabulary


def test_a_vocabulary_refuses_the_same_id_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        Vocabulary([1, 2, 1])


def test_a_profile_is_gender_age_and_occupation_in_24_values() -> None:
    encoded = encode_profiles([Profile(gender="M", age=28, occupation=3)])

    expected = np.zeros((1, 24), dtype=np.float32)
    expected[0, 1] = 1.0  # M
    expected[0, 2] = 25 / 56  # the group from 25 to 34
    expected[0, 3 + 3] = 1.0
    assert np.array_equal(encoded, expected)


def test_unknown_fields_of_a_profile_are_zeros() -> None:
    assert not encode_profiles([Profile()]).any()


def test_genres_are_multi_hot_and_the_unknown_movie_has_none() -> None:
    catalogue = Catalogue(
        movie_ids=(5, 9),
        titles=("A", "B"),
        genres=(("Drama", "War"), ("Comedy",)),
        genre_names=("Comedy", "Drama", "War"),
    )

    assert catalogue.genre_matrix.tolist() == [[0, 0, 0], [0, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("title", "spoken"),
    [
        pytest.param("Toy Story (1995)", "Toy Story", id="year"),
        pytest.param("Lion King, The (1994)", "The Lion King", id="article"),
        pytest.param("'burbs, The (1989)", "The 'burbs", id="apostrophe in front"),
        pytest.param("Avventura, L' (1960)", "L'Avventura", id="elided article"),
        pytest.param("Boat, The (Das Boot) (1981)", "The Boat (Das Boot)", id="other name"),
        pytest.param("Convent, The (Convento, O) (1995)", "The Convent (O Convento)", id="both names"),
        pytest.param("Bye Bye, Love (1995)", "Bye Bye, Love", id="comma without article"),
        pytest.param("Story, A (2006- )", "A Story", id="open range of years"),
        pytest.param("Wit (2001) (TV)", "Wit (TV)", id="mark after the year"),
        pytest.param("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", id="number in front"),
        pytest.param("Far (9999)", "Far (9999)", id="no year"),
        pytest.param("Blade Runner", "Blade Runner", id="nothing to change"),
        pytest.param("(1995)", "(1995)", id="year alone"),
    ],
)
def test_titles_are_displayed_as_they_are_spoken(title: str, spoken: str) -> None:
    assert display_title(title) == spoken
