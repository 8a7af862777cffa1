"""The database's tables."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    false,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from seqrec.limits import LONGEST_EXTERNAL_ID


class Base(DeclarativeBase):
    """Every constraint has a name, so that a migration can change it on any database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


LargeId = BigInteger().with_variant(Integer, "sqlite")  # SQLite chooses ids for its own integers alone


class User(Base):
    """A user; unknown fields of the profile are null.

    ``external_id`` is the id in another system, if the user has one.
    Triggers give a new user the Unix time in microseconds as revision, and increase it with every change of the
    profile, of the user's ratings and of lasting events. An id that is used again begins above all revisions it has
    had.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("gender IN ('F', 'M')", name="gender"),
        CheckConstraint("age BETWEEN 1 AND 120", name="age"),
        CheckConstraint("occupation BETWEEN 0 AND 20", name="occupation"),
    )

    id: Mapped[int] = mapped_column(LargeId, primary_key=True, autoincrement=False)
    external_id: Mapped[str | None] = mapped_column(String(LONGEST_EXTERNAL_ID), unique=True, index=True)
    gender: Mapped[str | None] = mapped_column(String(1))
    age: Mapped[int | None]
    occupation: Mapped[int | None]
    revision: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class Movie(Base):
    """An entry of the catalogue; the title has the year in brackets at its end, as in MovieLens.

    ``external_id`` is the id in another system, if the movie has one.
    The model knows a movie added after training by its genres and ``title_vector``, little-endian single-precision
    numbers; null for movies of a loaded data set, whose vectors are in the artifact. ``imdb_id``, as tt0114709, and
    ``tmdb_id`` are what IMDb and TMDB call the movie; null where that is not known.
    """

    __tablename__ = "movies"
    __table_args__ = (CheckConstraint("title <> ''", name="title"),)

    id: Mapped[int] = mapped_column(LargeId, primary_key=True, autoincrement=False)
    external_id: Mapped[str | None] = mapped_column(String(LONGEST_EXTERNAL_ID), unique=True, index=True)
    title: Mapped[str]
    year: Mapped[int | None]
    hidden: Mapped[bool] = mapped_column(server_default=false(), comment="never recommended")
    title_vector: Mapped[bytes | None]
    imdb_id: Mapped[str | None] = mapped_column(String(11))
    tmdb_id: Mapped[int | None]


class MovieChange(Base):
    """When a movie was last written, with its genres, or deleted; triggers keep it.

    Processes that hold the catalogue in memory read the movies that have changed since their revision. Movies that have
    not been written since the table is there are not in it.
    """

    __tablename__ = "movie_changes"

    movie_id: Mapped[int] = mapped_column(LargeId, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger, index=True, comment="of the catalogue")


class Genre(Base):
    """A genre's name."""

    __tablename__ = "genres"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class MovieGenre(Base):
    """A genre of a movie."""

    __tablename__ = "movie_genres"

    movie_id: Mapped[int] = mapped_column(ForeignKey("movies.id", ondelete="CASCADE"), primary_key=True)
    genre_id: Mapped[int] = mapped_column(ForeignKey("genres.id"), primary_key=True, index=True)


class Rating(Base):
    """A user's stars for a movie; at most one rating for each pair.

    The primary key begins with the user, so a history is one range of it; in SQLite, of the table itself.
    """

    __tablename__ = "ratings"
    __table_args__ = (
        CheckConstraint("stars BETWEEN 0.5 AND 5", name="stars"),
        CheckConstraint("rated_at >= 0", name="rated_at"),
        Index(None, "movie_id", "rated_at", "stars"),  # answers popular movies without the table
        {"sqlite_with_rowid": False},
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    movie_id: Mapped[int] = mapped_column(ForeignKey("movies.id", ondelete="CASCADE"), primary_key=True)
    stars: Mapped[float]
    rated_at: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")


LASTING = "kind NOT IN ('impression', 'click')"
"""In SQL: events that say something of the user for good, and count the user's revision up."""


class ServedList(Base):
    """A list that was recommended to a user, kept from the first event on that names it."""

    __tablename__ = "served_lists"

    id: Mapped[int] = mapped_column(LargeId, primary_key=True)
    recommendation_id: Mapped[str] = mapped_column(String(200), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    model: Mapped[str] = mapped_column(comment="version")
    rank_by: Mapped[str] = mapped_column(String(16))
    served_at: Mapped[int] = mapped_column(BigInteger, index=True, comment="Unix seconds")


class Event(Base):
    """Something that a user did with a movie, or was shown, beside giving stars.

    Of one user, movie and kind the latest counts, or none if that one is ``removed``. Ids ascend in the order in which
    the events came. Triggers count the user's revision up with every `LASTING` one.
    """

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('impression', 'click', 'watch', 'like', 'dislike', 'skip', 'watchlist')", name="kind"
        ),
        CheckConstraint("share BETWEEN 0 AND 1", name="share"),
        CheckConstraint("position >= 1", name="position"),
        CheckConstraint("occurred_at >= 0", name="occurred_at"),
        Index("uq_events_user_id_event_id", "user_id", "event_id", unique=True),
        Index("ix_events_lasting", "user_id", sqlite_where=text(LASTING), postgresql_where=text(LASTING)),
        Index(None, "kind", "occurred_at"),
        Index(None, "movie_id"),  # of a movie that is deleted
        Index(None, "list_id"),
    )

    id: Mapped[int] = mapped_column(LargeId, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(64), comment="the caller's own")
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    movie_id: Mapped[int] = mapped_column(ForeignKey("movies.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    occurred_at: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")
    removed: Mapped[bool] = mapped_column(server_default=false())
    share: Mapped[float | None] = mapped_column(comment="of the movie that was watched")
    position: Mapped[int | None] = mapped_column(comment="in the list, from 1")
    list_id: Mapped[int | None] = mapped_column(ForeignKey("served_lists.id", ondelete="SET NULL"))


class SigningKey(Base):
    """One row: random bytes that all processes sign the ids of lists with."""

    __tablename__ = "signing_keys"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[bytes]


class Revision(Base):
    """One row of counters that tell every process when to renew what it holds in memory.

    Attributes:
        catalogue: triggers increase it with every change of `movies` and `movie_genres`.
        reloads: increased to make all processes load the model that is to be served.
        pinned: version of the model that is to be served; null for the newest one.
        users_above: the greatest revision of a user who was deleted; triggers begin new users above it.
        greatest_movie_id, greatest_user_id: the greatest ids that a movie and a user have ever had; triggers keep them.
        oldest_code: the revision of the schema that a version has to know at least to run on this one.
    """

    __tablename__ = "revisions"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    catalogue: Mapped[int] = mapped_column(BigInteger)
    reloads: Mapped[int] = mapped_column(BigInteger)
    pinned: Mapped[str | None]
    users_above: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    greatest_movie_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    greatest_user_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    oldest_code: Mapped[str] = mapped_column(String(32), server_default="0007")


class Dataset(Base):
    """A loaded data set; each checksum is loaded once.

    ``scale`` is what its ratings were before they were converted to stars, the fields of a
    `model.rating_scale.OriginalScale`; null where they were stars. Without ``has_stars``, each rating is a like, and is
    stored with the stars of `model.rating_scale.LIKE`.
    """

    __tablename__ = "datasets"

    checksum: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str]
    generated: Mapped[bool]
    scale: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    has_stars: Mapped[bool] = mapped_column(server_default=true())
    loaded_at: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")


class ServedModel(Base):
    """A time in which a model was served; the row without an end is the present one.

    Attributes:
        version: name of the artifact's folder.
        why: in a few words, what put it in the place of the one before.
        rmse, ndcg_at_10: the main figures of its card, which outlive its folder; null for what the model does not
            predict.
    """

    __tablename__ = "served_models"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str]
    served_from: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")
    served_until: Mapped[int | None] = mapped_column(BigInteger, comment="Unix seconds")
    why: Mapped[str]
    rmse: Mapped[float | None]
    ndcg_at_10: Mapped[float | None]


class Retraining(Base):
    """A round of retraining; the row that has no outcome runs, or ran until its process was killed.

    Attributes:
        heartbeat_at: when its process was last known to live; too long ago, and another one may begin.
        ratings: in the database when it began.
        version: of the model that was trained, once it is there.
        reason: why the model was served or set aside, or what has failed.
    """

    __tablename__ = "retrainings"
    __table_args__ = (CheckConstraint("outcome IN ('served', 'aside', 'failed')", name="outcome"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")
    heartbeat_at: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")
    ended_at: Mapped[int | None] = mapped_column(BigInteger, comment="Unix seconds")
    ratings: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str | None]
    version: Mapped[str | None]
    reason: Mapped[str | None]


class Comparison(Base):
    """A time in which two models were served side by side; the row without an end runs, while its champion is pinned.

    Attributes:
        champion, challenger: names of the artifacts' folders.
        share: of the users whom the challenger answers; the champion answers the others.
    """

    __tablename__ = "comparisons"
    __table_args__ = (CheckConstraint("share > 0 AND share < 1", name="share"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    champion: Mapped[str]
    challenger: Mapped[str]
    share: Mapped[float] = mapped_column(comment="of the users whom the challenger answers")
    begun_at: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")
    ended_at: Mapped[int | None] = mapped_column(BigInteger, comment="Unix seconds")
