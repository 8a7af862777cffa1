"""Hidden movies, titles of movies that came after training, and revisions that every process sees."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

WATCHED = ("movies", "movie_genres")
CHANGES = ("INSERT", "UPDATE", "DELETE")
COUNT_UP = "UPDATE revisions SET catalogue = catalogue + 1"


def upgrade() -> None:
    op.add_column(
        "movies",
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False, comment="never recommended"),
    )
    op.add_column("movies", sa.Column("title_vector", sa.LargeBinary(), nullable=True))
    revisions = op.create_table(
        "revisions",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("catalogue", sa.BigInteger(), nullable=False),
        sa.Column("reloads", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_revisions_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revisions")),
    )
    op.bulk_insert(revisions, [{"id": 1, "catalogue": 0, "reloads": 0}])
    op.drop_index(op.f("ix_ratings_movie_id"), "ratings")
    op.create_index(op.f("ix_ratings_movie_id_rated_at_stars"), "ratings", ["movie_id", "rated_at", "stars"])
    for statement in _triggers():
        op.execute(statement)


def downgrade() -> None:
    for statement in _without_triggers():
        op.execute(statement)
    op.drop_index(op.f("ix_ratings_movie_id_rated_at_stars"), "ratings")
    op.create_index(op.f("ix_ratings_movie_id"), "ratings", ["movie_id"])
    op.drop_table("revisions")
    op.drop_column("movies", "title_vector")
    op.drop_column("movies", "hidden")


def _triggers() -> list[str]:
    if op.get_bind().dialect.name == "sqlite":
        return [
            f"CREATE TRIGGER {table}_{change.lower()} AFTER {change} ON {table} BEGIN {COUNT_UP}; END"
            for table in WATCHED
            for change in CHANGES
        ]
    function = (
        f"CREATE FUNCTION count_up_catalogue() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {COUNT_UP}; RETURN NULL; END $$"
    )
    changes = " OR ".join((*CHANGES, "TRUNCATE"))
    return [
        function,
        *(
            f"CREATE TRIGGER {table}_changed AFTER {changes} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION count_up_catalogue()"
            for table in WATCHED
        ),
    ]


def _without_triggers() -> list[str]:
    if op.get_bind().dialect.name == "sqlite":
        return [f"DROP TRIGGER {table}_{change.lower()}" for table in WATCHED for change in CHANGES]
    return [*(f"DROP TRIGGER {table}_changed ON {table}" for table in WATCHED), "DROP FUNCTION count_up_catalogue()"]
