"""How users behave: they ask for a list, click and rate what they will like of it, and find other movies themselves."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from app.jobs.simulation.players import FOUND, KNOWN, SESSIONS, Player
from app.services.feedback.scores import ndcg
from model.rating_scale import RELEVANT_STARS
from seqrec.client import Client
from seqrec.schemas.events import NewEvent
from seqrec.schemas.ratings import NewRating
from seqrec.schemas.recommendations import Recommendations

PartT = TypeVar("PartT")

LIST = 10
"""Movies of a list, all of which are looked at."""

USERS_AT_ONCE = 100
"""Users whose lists one request asks for."""

EVENTS_AT_ONCE = RATINGS_AT_ONCE = 5_000


class SessionScore(NamedTuple):
    """How good a user's lists were: movies that were shown, hits among them, and mean NDCG."""

    user_id: int
    shown: int
    hits: int
    ndcg: float


class PlayerSession:
    """A player in one service: what is not rated there yet, and how good the lists were."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.left = player.between(KNOWN, len(player.tastes))
        self._lists: list[list[int]] = []
        self._shown = 0

    def read(self, answer: Recommendations) -> tuple[list[NewEvent], list[NewRating]]:
        """What the user does after a list: its events, and ratings of what is known of it and of what was found."""
        user_id, movie_ids = self.player.user_id, [entry.movie_id for entry in answer.recommendations]
        of_list = {"user_id": user_id, "recommendation_id": answer.recommendation_id}
        events = [
            NewEvent(**of_list, movie_id=movie_id, kind="impression", position=place)
            for place, movie_id in enumerate(movie_ids, start=1)
        ]
        hits = [place for place, id_ in enumerate(movie_ids) if self.left.get(id_, 0) >= RELEVANT_STARS]
        events += [NewEvent(**of_list, movie_id=movie_ids[place], kind="click") for place in hits]
        self._lists.append(hits)
        self._shown += len(movie_ids)
        rated = [movie_id for movie_id in movie_ids if movie_id in self.left]
        found = [movie_id for movie_id in self.left if movie_id not in rated][:FOUND]
        return events, [self._rate(movie_id) for movie_id in (*rated, *found)]

    def _rate(self, movie_id: int) -> NewRating:
        return NewRating(user_id=self.player.user_id, movie_id=movie_id, stars=self.left.pop(movie_id))

    def score(self) -> SessionScore:
        hits = self._lists
        mean_ndcg = sum(map(ndcg, hits)) / len(hits)
        return SessionScore(self.player.user_id, self._shown, sum(map(len, hits)), mean_ndcg)


def play(client: Client, players: Sequence[Player], on_session: Callable[[int], None]) -> list[SessionScore]:
    """Newcomers arrive with some ratings, and ask for `SESSIONS` lists each, all of them in turns.

    ``on_session`` is told how many are done.
    """
    for player in players:
        profile = player.profile
        client.create_user(player.user_id, gender=profile.gender, age=profile.age, occupation=profile.occupation)
    rate(client, players, 0, KNOWN)
    sessions = {player.user_id: PlayerSession(player) for player in players}
    for done in range(SESSIONS):
        for some in _parts(list(sessions), USERS_AT_ONCE):
            lists = client.recommend_for_users(some, limit=LIST).lists
            answered = [sessions[user_id].read(answer) for user_id, answer in zip(some, lists, strict=True)]
            for part in _parts([event for events, _ in answered for event in events], EVENTS_AT_ONCE):
                client.write_events(part)
            client.rate_many([rating for _, ratings in answered for rating in ratings])
        on_session(done + 1)
    return [session.score() for session in sessions.values()]


def rate(client: Client, players: Sequence[Player], start: int, end: int) -> None:
    """The players give their ratings from this one on, up to that one."""
    given = [
        NewRating(user_id=player.user_id, movie_id=movie_id, stars=stars)
        for player in players
        for movie_id, stars in player.between(start, end).items()
    ]
    for ratings in _parts(given, RATINGS_AT_ONCE):
        client.rate_many(ratings)


def _parts(whole: Sequence[PartT], size: int) -> Iterator[Sequence[PartT]]:
    return (whole[start : start + size] for start in range(0, len(whole), size))
