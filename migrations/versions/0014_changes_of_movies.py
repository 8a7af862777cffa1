"""A log of changed movies, so that a service with a large catalogue reads those alone.

`movie_changes` has the revision of the catalogue at which each movie was last written, or deleted. Movies that have not
changed since this migration are not in it: no process of this version has read the catalogue before.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

WATCHED = {"movies": "id", "movie_genres": "movie_id"}
"""The column that says which movie a row belongs to, by table."""

ROWS = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}
"""The rows of each kind of change, as triggers call them."""

COUNT_UP = "UPDATE revisions SET catalogue = catalogue + 1"


def upgrade() -> None:
    op.create_table(
        "movie_changes",
        sa.Column(
            "movie_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="of the catalogue"),
        sa.PrimaryKeyConstraint("movie_id", name=op.f("pk_movie_changes")),
    )
    op.create_index(op.f("ix_movie_changes_revision"), "movie_changes", ["revision"])
    if op.get_bind().dialect.name == "sqlite":
        _replace_sqlite_triggers(f"{COUNT_UP}; {{log}}")
    else:
        for statement in _postgresql_triggers():
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _replace_sqlite_triggers(COUNT_UP)
    else:
        for table in WATCHED:
            for change in (*ROWS, "TRUNCATE"):
                op.execute(f"DROP FUNCTION log_{table}_{change.lower()} CASCADE")
    op.drop_table("movie_changes")


def _replace_sqlite_triggers(work: str) -> None:
    """The triggers that count and log are the same ones: SQLite does not say which of several comes first."""
    for table, column in WATCHED.items():
        for change, rows in ROWS.items():
            name = f"{table}_{change.lower()}"
            log = _log(" UNION ".join(f"SELECT {row}.{column} AS id" for row in rows))
            op.execute(f"DROP TRIGGER {name}")
            op.execute(f"CREATE TRIGGER {name} AFTER {change} ON {table} BEGIN {work.format(log=log)}; END")


def _log(changed: str) -> str:
    """A statement that logs the ids of a query; ``WHERE true`` tells SQLite that no join follows."""
    return (
        f"INSERT INTO movie_changes (movie_id, revision) "
        f"SELECT DISTINCT changed.id, revisions.catalogue FROM ({changed}) AS changed CROSS JOIN revisions WHERE true "
        f"ON CONFLICT (movie_id) DO UPDATE SET revision = excluded.revision"
    )


def _postgresql_triggers() -> list[str]:
    """They come after those that count, named ``..._changed``: triggers of one event fire in the order of their names.

    To empty a table is logged before, while its rows are there, and so it counts by itself.
    """
    statements = []
    for table, column in WATCHED.items():
        for change, rows in ROWS.items():
            changed = " UNION ".join(f"SELECT {column} AS id FROM {row.lower()}_rows" for row in rows)
            views = " ".join(f"{row} TABLE AS {row.lower()}_rows" for row in rows)
            when = f"AFTER {change} ON {table} REFERENCING {views}"
            statements += _postgresql_trigger(f"{table}_{change.lower()}", _log(changed), when)
        emptied = f"{COUNT_UP}; {_log(f'SELECT {column} AS id FROM {table}')}"
        statements += _postgresql_trigger(f"{table}_truncate", emptied, f"BEFORE TRUNCATE ON {table}")
    return statements


def _postgresql_trigger(name: str, work: str, when: str) -> list[str]:
    return [
        f"CREATE FUNCTION log_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {work}; RETURN NULL; END $$",
        f"CREATE TRIGGER {name}_logged {when} FOR EACH STATEMENT EXECUTE FUNCTION log_{name}()",
    ]
