"""Users as the model sees them: profile, ratings, and what their events say."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from app.services.feedback.kinds import DAY, DEFAULT_MEANINGS, OPINIONS, Meanings, fingerprint, without_stars
from app.storage import events, ratings, users
from app.storage.events import OPPOSITES, Lasting
from app.storage.ratings import TimedHistory
from model.features.history import Rated
from model.features.users import UserContext

Current = Mapping[tuple[int, str], Lasting]
"""The lasting events that still hold, by movie and kind."""


class Evidence(NamedTuple):
    """The entry of a history that an event stands for, and its Unix time."""

    rated_at: int
    rated: Rated


class ContextReader:
    """Reads users, with events by what each kind means."""

    def __init__(self, meanings: Meanings = DEFAULT_MEANINGS) -> None:
        self.meanings = meanings
        self.fingerprint = fingerprint(meanings)

    def read(self, session: Session, user_ids: Sequence[int]) -> dict[int, UserContext]:
        """Those of the users who exist, in the order given."""
        profiles = users.profiles(session, user_ids)
        histories = ratings.histories(session, profiles)
        given = events.lasting(session, profiles)
        meanings = self.meanings if not given or ratings.have_stars(session) else without_stars(self.meanings)
        contexts = {}
        for user_id in user_ids:
            if user_id not in profiles:
                continue
            rated, current = histories[user_id], in_force(given.get(user_id, ()))
            history = _with_evidence(user_id, rated, evidence(current, meanings)) if current else rated.history
            contexts[user_id] = UserContext(profiles[user_id], history, _excluded(current, meanings, time.time()))
        return contexts


def evidence(current: Current, meanings: Meanings) -> dict[int, Evidence]:
    """What the events of a user stand for, by movie id; it counts where the user has not rated the movie."""
    found: dict[int, Evidence] = {}
    for kind in OPINIONS:
        meaning = meanings[kind]
        for (movie_id, own_kind), event in current.items():
            if own_kind != kind or meaning.stars is None or _share(event) < meaning.least_share:
                continue
            found.setdefault(movie_id, Evidence(event.occurred_at, Rated(movie_id, meaning.stars, feedback=kind)))
    return found


def _excluded(current: Current, meanings: Meanings, now: float) -> dict[int, float]:
    """Movies that lists leave out, each with the Unix time until when."""
    until: dict[int, float] = {}
    for (movie_id, kind), event in current.items():
        meaning = meanings[kind]  # type: ignore[index]  # the table allows no other kinds
        if not meaning.excludes:
            continue
        end = math.inf if meaning.days is None else event.occurred_at + meaning.days * DAY
        if end > now:
            until[movie_id] = max(end, until.get(movie_id, 0))
    return until


def _with_evidence(user_id: int, rated: TimedHistory, found: Mapping[int, Evidence]) -> Sequence[Rated]:
    """The history with the evidence of movies that the user has not rated, oldest first."""
    known = set(rated.history.movie_ids.tolist())
    further = [one for movie_id, one in found.items() if movie_id not in known]
    entries = [*rated.history, *(one.rated for one in further)]
    movie_ids = np.array([entry.movie_id for entry in entries], dtype=np.int64)
    times = np.concatenate([rated.rated_at, np.array([one.rated_at for one in further], dtype=np.int64)])
    order = ratings.oldest_first(np.full(len(entries), user_id), movie_ids, times)
    return [entries[position] for position in order.tolist()]


def in_force(given: Sequence[Lasting]) -> Current:
    """Of events in the order of their time, those that no later one has replaced or taken back."""
    current: dict[tuple[int, str], Lasting] = {}
    for event in given:
        key = event.movie_id, event.kind
        current.pop(key, None)
        if event.removed:
            continue
        current.pop((event.movie_id, OPPOSITES.get(event.kind, "")), None)
        current[key] = event
    return current


def _share(event: Lasting) -> float:
    """Of the movie; all of it where nothing is said."""
    return 1.0 if event.share is None else event.share
