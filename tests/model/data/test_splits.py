from collections.abc import Callable

import numpy as np
import pytest

from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences, ragged_range, split_in_half
from model.data.splits import PAPER_SEEDS, Split, paper_split, random_split
from model.errors import DataError
from model.features.history import tie_breaker

ML_1M_SAMPLES = (407_929, 45_612, 45_082)


def sequences(*counts: int) -> Sequences:
    """Users with these numbers of ratings; the k-th rating of all is of movie k with k mod 5 + 1 stars."""
    total = sum(counts)
    return Sequences(
        user_ids=np.arange(1, len(counts) + 1),
        profiles=np.zeros((len(counts), 24), dtype=np.float32),
        movies=np.arange(total),
        stars=(np.arange(total) % 5 + 1).astype(np.float32),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )


def test_a_ragged_range_is_one_run_after_the_other() -> None:
    runs = ragged_range(np.array([10, 5, 0]), np.array([2, 0, 3]))

    assert runs.tolist() == [10, 11, 0, 1, 2]
    assert ragged_range(np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []


def test_the_history_is_the_first_half_and_the_larger_one_for_an_odd_number() -> None:
    examples = split_in_half(sequences(5, 2, 1))

    assert examples.history_lengths.tolist() == [3, 1, 1]
    assert examples.targets.tolist() == [3, 4, 6]


def test_batches_have_the_targets_in_the_order_of_the_examples() -> None:
    examples = split_in_half(sequences(5, 4, 3, 6, 2))

    parts = [part.sequences.movies[part.targets] for part in examples.batches(2)]

    assert np.concatenate(parts).tolist() == examples.sequences.movies[examples.targets].tolist()


def test_taking_users_keeps_their_ratings_together() -> None:
    taken = sequences(2, 3, 1).take(np.array([2, 1]))

    assert taken.user_ids.tolist() == [3, 2]
    assert taken.movies.tolist() == [5, 2, 3, 4]
    assert taken.offsets.tolist() == [0, 1, 4]


def test_ratings_are_oldest_first_and_those_of_one_second_by_the_tie_breaker(sample: MovieLens) -> None:
    tied = sample.ratings.with_columns(rated_at=sample.ratings["rated_at"] // 600 * 600).reverse()
    shuffled = MovieLens(sample.name, True, sample.checksum, sample.users, sample.movies, tied)

    first = Sequences.of(shuffled).take(np.array([0]))

    own = [row for row in tied.rows() if row[0] == sample.users["user_id"][0]]
    expected = [row[1] for row in sorted(own, key=lambda row: (row[3], tie_breaker(row[0], row[1])))]
    assert first.movies.tolist() == sample.catalogue.vocabulary.indices(expected).tolist()


def test_the_papers_split_has_the_papers_sample_counts(large: MovieLens) -> None:
    everyone = Sequences.of(large)
    split = paper_split(everyone)

    samples = tuple(len(examples.targets) for examples in (split.train, split.validation, split.test))
    assert sum(samples) == int((everyone.counts // 2).sum())
    assert large.generated or samples == ML_1M_SAMPLES


def test_a_user_is_either_in_training_validation_or_test_and_other_seeds_draw_other_users(large: MovieLens) -> None:
    everyone = Sequences.of(large)
    split, other = paper_split(everyone), paper_split(everyone, (1, 2))

    users = [set(examples.sequences.user_ids.tolist()) for examples in (split.train, split.validation, split.test)]
    assert sum(map(len, users)) == len(set.union(*users)) == len(everyone)
    assert split.seeds == PAPER_SEEDS
    assert set(other.test.sequences.user_ids.tolist()) != users[2]


def test_examples_without_targets_are_not_an_error() -> None:
    examples = Examples(sequences(2), np.array([2]))

    assert examples.target_stars.tolist() == []


def pairs(sequences: Sequences) -> list[tuple[int, int]]:
    return list(zip(sequences.user_ids[sequences.user_index].tolist(), sequences.movies.tolist(), strict=True))


def test_the_random_split_uses_every_rating_once_and_keeps_histories_in_order() -> None:
    everyone = sequences(40, 30, 30)
    split = random_split(everyone, (1, 2))

    assert (len(split.test.targets), len(split.validation.targets), len(split.train.sequences.movies)) == (10, 4, 86)
    assert pairs(split.validation.histories()) == pairs(split.train.sequences)
    known = [pair for pair in pairs(everyone) if pair[1] not in split.test.sequences.movies[split.test.targets]]
    assert pairs(split.test.histories()) == known  # movies are numbered in order of time here
    targets = [examples.sequences.movies[examples.targets].tolist() for examples in (split.validation, split.test)]
    assert sorted(sum(targets, split.train.sequences.movies.tolist())) == everyone.movies.tolist()
    assert not split.inductive
    assert pairs(split.known()) == pairs(split.train.sequences)


def test_the_places_of_the_random_split_are_those_in_time_among_what_is_known_or_asked() -> None:
    everyone = sequences(40, 30, 30)
    split = random_split(everyone, (1, 2))

    assert split.train.places.tolist() == [place for count in split.train.sequences.counts for place in range(count)]
    for examples in (split.validation, split.test):
        for user in range(3):
            ratings = slice(*examples.sequences.offsets[user : user + 2])
            places, movies = examples.places[ratings], examples.sequences.movies[ratings]
            assert sorted(places.tolist()) == [*range(len(places))]
            assert (np.diff(movies[np.argsort(places)]) > 0).all()  # movies are numbered in order of time here
            only = examples.take(np.array([user]))
            assert only.places.tolist() == places.tolist()


def test_a_refit_on_the_random_split_knows_every_rating_but_those_of_the_test() -> None:
    split = random_split(sequences(40, 30, 30), (1, 2))
    assert split.refit is not None

    refit = split.refit()

    assert refit.interleaved
    assert pairs(refit.sequences) == pairs(split.test.histories())


def test_known_ratings_of_the_papers_split_are_training_and_the_first_halves_of_the_others() -> None:
    split = paper_split(sequences(*[5] * 50))

    known = split.known()

    assert len(known) == 50
    assert len(known.movies) == 40 * 5 + 10 * 3
    assert not set(pairs(known)) & {
        pair
        for examples in (split.validation, split.test)
        for pair in map(tuple, np.array(pairs(examples.sequences))[examples.targets].tolist())
    }


@pytest.mark.parametrize("draw", [paper_split, random_split])
def test_data_without_targets_is_refused(draw: Callable[[Sequences], Split]) -> None:
    with pytest.raises(DataError, match="too few ratings"):
        draw(sequences(*[1] * 30 if draw is paper_split else [1] * 4))
