"""Which models are to be served, which ones were, and rounds of retraining."""

from typing import NamedTuple

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.storage.tables import Comparison as ComparisonRow
from app.storage.tables import Retraining, Revision, ServedModel

LIVES_FOR_SECONDS = 60
"""Without a heartbeat for so long, the process of a round is taken for dead."""

INTERRUPTED, DIED = "interrupted", "Its process has ended before it was done."
"""Reasons of rounds that have failed, but not by themselves."""


class Champion(NamedTuple):
    """A model that was served for a time, in Unix seconds; ``served_until`` is None for the present one."""

    version: str
    served_from: int
    served_until: int | None
    why: str
    rmse: float | None
    ndcg_at_10: float | None


class Round(NamedTuple):
    """A round of retraining that has ended or runs; see `app.storage.tables.Retraining`."""

    started_at: int
    heartbeat_at: int
    ended_at: int | None
    ratings: int
    outcome: str | None
    version: str | None
    reason: str | None

    def runs(self, now: int) -> bool:
        """Whether its process lives; one that was killed leaves a round without an end, whose heartbeat grows old."""
        return self.ended_at is None and self.heartbeat_at >= now - LIVES_FOR_SECONDS


class Comparison(NamedTuple):
    """Two models that are served side by side; times are in Unix seconds, ``ended_at`` is None while it runs.

    ``share`` is that of the users whom the challenger answers.
    """

    champion: str
    challenger: str
    share: float
    begun_at: int
    ended_at: int | None = None

    @property
    def shares(self) -> dict[str, float]:
        """Of the users whom each version answers, the champion first."""
        return {self.champion: round(1 - self.share, 6), self.challenger: self.share}


def pinned(session: Session) -> str | None:
    """Version of the model that is to be served; None for the newest."""
    return session.scalar(select(Revision.pinned))


def pin(session: Session, version: str | None) -> None:
    session.execute(update(Revision).values(pinned=version))


def lock(session: Session) -> None:
    """Until the transaction ends, no other one pins a model, compares models or records which one is served."""
    session.execute(select(Revision.id).with_for_update())


def served_version(session: Session) -> str | None:
    """What is served since the last change; None if none was recorded."""
    return session.scalar(select(ServedModel.version).where(ServedModel.served_until.is_(None)))


def record_champion(session: Session, champion: Champion) -> bool:
    """Write that the champion is served from now on, in place of the one before; False if it is that one."""
    lock(session)
    if served_version(session) == champion.version:
        return False
    before = update(ServedModel).where(ServedModel.served_until.is_(None))
    session.execute(before.values(served_until=champion.served_from))
    session.add(ServedModel(**champion._asdict()))
    return True


def champions(session: Session, limit: int) -> list[Champion]:
    """The latest first."""
    columns = (getattr(ServedModel, name) for name in Champion._fields)
    rows = session.execute(select(*columns).order_by(ServedModel.id.desc()).limit(limit))
    return [Champion(*row) for row in rows]


def comparison(session: Session) -> Comparison | None:
    """The one that runs; None if none does, or if another model than its champion was pinned since."""
    latest = next(iter(comparisons(session, 1)), None)
    runs = latest is not None and latest.ended_at is None and latest.champion == pinned(session)
    return latest if runs else None


def comparisons(session: Session, limit: int) -> list[Comparison]:
    """The latest first."""
    columns = (getattr(ComparisonRow, name) for name in Comparison._fields)
    rows = session.execute(select(*columns).order_by(ComparisonRow.id.desc()).limit(limit))
    return [Comparison(*row) for row in rows]


def begin_comparison(session: Session, begun: Comparison) -> None:
    """Pin the champion, and have the challenger answer its share of the users, in place of what was compared before."""
    pin(session, begun.champion)  # first: it locks, so that of two that begin at once the first one is ended
    end_comparison(session, begun.begun_at)
    session.add(ComparisonRow(**begun._asdict()))


def end_comparison(session: Session, now: int) -> None:
    """End the one that runs, if there is one."""
    session.execute(update(ComparisonRow).where(ComparisonRow.ended_at.is_(None)).values(ended_at=now))


def reasons(session: Session) -> dict[str, str]:
    """By version, why models were set aside."""
    query = select(Retraining.version, Retraining.reason).where(Retraining.outcome == "aside")
    return {version: reason or "" for version, reason in session.execute(query) if version is not None}


def rounds(session: Session, limit: int) -> list[Round]:
    """Rounds of retraining, the latest first."""
    return [Round(*row) for row in session.execute(_ROUNDS.limit(limit))]


def last_round(session: Session, began: int) -> Round | None:
    """The latest round, but for those from before ``began`` (Unix seconds) that did not end by themselves.

    A service that began then has ended those when it stopped, and did not judge the ratings that they were to learn.
    """
    by_itself = or_(Retraining.outcome != "failed", Retraining.reason.not_in((INTERRUPTED, DIED)))
    row = session.execute(_ROUNDS.where(or_(Retraining.started_at >= began, by_itself)).limit(1)).first()
    return None if row is None else Round(*row)


_ROUNDS = select(*(getattr(Retraining, name) for name in Round._fields)).order_by(Retraining.id.desc())


def begin_round(session: Session, now: int, ratings: int) -> int | None:
    """Begin a round of retraining and return its id; None if another one runs.

    A round whose process has died, so that its heartbeat is too old, is ended as failed.
    """
    lock(session)
    runs = Retraining.outcome.is_(None)
    dead = update(Retraining).where(runs, Retraining.heartbeat_at < now - LIVES_FOR_SECONDS)
    session.execute(dead.values(outcome="failed", ended_at=now, reason=DIED))
    if session.scalar(select(func.count()).where(runs)):
        return None
    begun = Retraining(started_at=now, heartbeat_at=now, ratings=ratings)
    session.add(begun)
    session.flush()
    return begun.id


def beat(session: Session, round_id: int, now: int) -> bool:
    """Say that the round's process lives; False if the round was ended by another one."""
    statement = update(Retraining).where(Retraining.id == round_id, Retraining.outcome.is_(None))
    return session.execute(statement.values(heartbeat_at=now).returning(Retraining.id)).first() is not None


def end_round(session: Session, round_id: int, now: int, outcome: str, version: str | None, reason: str) -> None:
    statement = update(Retraining).where(Retraining.id == round_id)
    session.execute(statement.values(ended_at=now, heartbeat_at=now, outcome=outcome, version=version, reason=reason))
