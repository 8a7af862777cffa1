"""One list for several people who watch together."""

from collections.abc import Sequence
from typing import NamedTuple

from app.observability import metrics
from app.services.catalogue.catalogue import Filter
from app.services.model_host import ModelState
from app.services.models.traffic import TrafficSplit
from app.services.recommendations import KnownUser, Recommender, scoring
from model.features.users import UserContext
from model.inference.groups import Seen, Strategy
from model.inference.results import GroupRecommendation, RankBy
from seqrec.errors import UserNotFound

Member = int | UserContext
"""A user of the database, by id, or an anonymous user."""


class GroupOptions(NamedTuple):
    """Which list a group asks for.

    Attributes:
        n, offset: how many movies, after how many of the best.
        strategy: how the members' scores become one order, see `model.inference.groups`.
        seen: what of the movies that members have rated the list may contain.
        rank_by: what the scores are; None for the model's default.
        explain: whether to name the ratings of each member that speak for each movie.
        filter: which movies the list may contain.
    """

    n: int = 10
    offset: int = 0
    strategy: Strategy = "average"
    seen: Seen = "none"
    rank_by: RankBy | None = None
    explain: bool = False
    filter: Filter = Filter()


class KnownMember(NamedTuple):
    """A member as the model knows them; the ids are None for an anonymous user."""

    user_id: int | None
    external_id: str | None
    context: UserContext


class GroupList(NamedTuple):
    """A page of a group's list, its members, and the state of the model that made it."""

    state: ModelState
    members: list[KnownMember]
    strategy: Strategy
    rank_by: RankBy
    recommendations: list[GroupRecommendation]


class Groups:
    """Recommends to groups of users and anonymous users."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender

    def recommend(self, members: Sequence[Member], options: GroupOptions) -> GroupList:
        """A page of the best movies for all members together, by one model: the champion.

        `UserNotFound` names every missing user, `MovieNotFound` the unknown movies of an anonymous one's history;
        `NoRelevance` or `NoStars`.
        """
        state = self.recommender.host.current_state()
        known = self._read(members, state)
        rank_by = options.rank_by or state.scorer.default_rank_by
        with scoring("recommend_to_group"):
            recommendations = state.scorer.recommend_to_group(
                [member.user for member in known],
                state.catalogue.mask(options.filter),
                options.n,
                options.offset,
                options.strategy,
                rank_by,
                options.seen,
                options.explain,
            )
        for member in known:
            member.keep()
        metrics.record_list("model", rank_by, len(recommendations))
        known_members = [
            KnownMember(member.key if isinstance(member.key, int) else None, member.external_id, member.user.context)
            for member in known
        ]
        return GroupList(state, known_members, options.strategy, rank_by, recommendations)

    def _read(self, members: Sequence[Member], state: ModelState) -> list[KnownUser]:
        """What the model knows of the members, in their order."""
        user_ids = [member for member in members if isinstance(member, int)]
        users = self.recommender.read_users(user_ids, TrafficSplit(state))
        if missing := [user_id for user_id in user_ids if user_id not in users]:
            raise UserNotFound(missing)
        return [
            users[member] if isinstance(member, int) else self.recommender.read_anonymous(member, TrafficSplit(state))
            for member in members
        ]
