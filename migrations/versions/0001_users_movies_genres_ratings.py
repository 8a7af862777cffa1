"""Users, movies, genres, ratings, data sets."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("checksum", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("generated", sa.Boolean(), nullable=False),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.PrimaryKeyConstraint("checksum", name=op.f("pk_datasets")),
    )
    op.create_table(
        "genres",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_genres")),
        sa.UniqueConstraint("name", name=op.f("uq_genres_name")),
    )
    op.create_table(
        "movies",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.CheckConstraint("title <> ''", name=op.f("ck_movies_title")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_movies")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gender", sa.String(length=1), nullable=True),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("occupation", sa.Integer(), nullable=True),
        sa.CheckConstraint("gender IN ('F', 'M')", name=op.f("ck_users_gender")),
        sa.CheckConstraint("age BETWEEN 1 AND 120", name=op.f("ck_users_age")),
        sa.CheckConstraint("occupation BETWEEN 0 AND 20", name=op.f("ck_users_occupation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_table(
        "movie_genres",
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("genre_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["genre_id"], ["genres.id"], name=op.f("fk_movie_genres_genre_id")),
        sa.ForeignKeyConstraint(["movie_id"], ["movies.id"], name=op.f("fk_movie_genres_movie_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("movie_id", "genre_id", name=op.f("pk_movie_genres")),
    )
    with op.batch_alter_table("movie_genres", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_movie_genres_genre_id"), ["genre_id"], unique=False)

    op.create_table(
        "ratings",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("stars", sa.Double(), nullable=False),
        sa.Column("rated_at", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.CheckConstraint("rated_at >= 0", name=op.f("ck_ratings_rated_at")),
        sa.CheckConstraint("stars BETWEEN 0.5 AND 5", name=op.f("ck_ratings_stars")),
        sa.ForeignKeyConstraint(["movie_id"], ["movies.id"], name=op.f("fk_ratings_movie_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ratings_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "movie_id", name=op.f("pk_ratings")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("ratings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ratings_movie_id"), ["movie_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("ratings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ratings_movie_id"))

    op.drop_table("ratings")
    with op.batch_alter_table("movie_genres", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_movie_genres_genre_id"))

    op.drop_table("movie_genres")
    op.drop_table("users")
    op.drop_table("movies")
    op.drop_table("genres")
    op.drop_table("datasets")
