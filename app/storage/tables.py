"""The database's tables."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, MetaData, String, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


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


class User(Base):
    """A user; unknown fields of the profile are null.

    Triggers give a new user the Unix time in microseconds as revision, and increase it with every change of the profile
    and of the user's ratings. An id that is used again begins above all revisions it has had.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("gender IN ('F', 'M')", name="gender"),
        CheckConstraint("age BETWEEN 1 AND 120", name="age"),
        CheckConstraint("occupation BETWEEN 0 AND 20", name="occupation"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    gender: Mapped[str | None] = mapped_column(String(1))
    age: Mapped[int | None]
    occupation: Mapped[int | None]
    revision: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class Movie(Base):
    """An entry of the catalogue; the title has the year in brackets at its end, as in MovieLens.

    The model knows a movie added after training by its genres and ``title_vector``, little-endian single-precision
    numbers; null for movies of a loaded data set, whose vectors are in the artifact.
    """

    __tablename__ = "movies"
    __table_args__ = (CheckConstraint("title <> ''", name="title"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    year: Mapped[int | None]
    hidden: Mapped[bool] = mapped_column(server_default=false(), comment="never recommended")
    title_vector: Mapped[bytes | None]


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


class Revision(Base):
    """One row of counters that tell every process when to renew what it holds in memory.

    Attributes:
        catalogue: triggers increase it with every change of `movies` and `movie_genres`.
        reloads: increased to make all processes load the model that is to be served.
        pinned: version of the model that is to be served; null for the newest one.
        users_above: the greatest revision of a user who was deleted; triggers begin new users above it.
    """

    __tablename__ = "revisions"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    catalogue: Mapped[int] = mapped_column(BigInteger)
    reloads: Mapped[int] = mapped_column(BigInteger)
    pinned: Mapped[str | None]
    users_above: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class Dataset(Base):
    """A loaded data set; each checksum is loaded once."""

    __tablename__ = "datasets"

    checksum: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str]
    generated: Mapped[bool]
    loaded_at: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")


class ServedModel(Base):
    """A time in which a model was served; the row without an end is the present one.

    Attributes:
        version: name of the artifact's folder.
        why: in a few words, what put it in the place of the one before.
        rmse, ndcg_at_10: the main figures of its card, which outlive its folder.
    """

    __tablename__ = "served_models"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str]
    served_from: Mapped[int] = mapped_column(BigInteger, comment="Unix seconds")
    served_until: Mapped[int | None] = mapped_column(BigInteger, comment="Unix seconds")
    why: Mapped[str]
    rmse: Mapped[float]
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
