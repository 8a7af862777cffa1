"""Events: what users do with movies beside rating them, and the lists that they did it in.

A lasting event counts its user's revision up, as a rating does; impressions and clicks do not, since they change no
list.
"""

import secrets
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LASTING = "kind NOT IN ('impression', 'click')"
LARGE_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    keys = op.create_table(
        "signing_keys",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_signing_keys_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
    )
    op.bulk_insert(keys, [{"id": 1, "key": secrets.token_bytes(32)}])
    op.create_table(
        "served_lists",
        sa.Column("id", LARGE_ID, nullable=False),
        sa.Column("recommendation_id", sa.String(length=200), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False, comment="version"),
        sa.Column("rank_by", sa.String(length=16), nullable=False),
        sa.Column("served_at", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_served_lists_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served_lists")),
        sa.UniqueConstraint("recommendation_id", name=op.f("uq_served_lists_recommendation_id")),
    )
    op.create_index(op.f("ix_served_lists_user_id"), "served_lists", ["user_id"])
    op.create_index(op.f("ix_served_lists_served_at"), "served_lists", ["served_at"])
    op.create_table(
        "events",
        sa.Column("id", LARGE_ID, nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False, comment="the caller's own"),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("share", sa.Double(), nullable=True, comment="of the movie that was watched"),
        sa.Column("position", sa.Integer(), nullable=True, comment="in the list, from 1"),
        sa.Column("list_id", LARGE_ID, nullable=True),
        sa.CheckConstraint(
            "kind IN ('impression', 'click', 'watch', 'like', 'dislike', 'skip', 'watchlist')",
            name=op.f("ck_events_kind"),
        ),
        sa.CheckConstraint("share BETWEEN 0 AND 1", name=op.f("ck_events_share")),
        sa.CheckConstraint("position >= 1", name=op.f("ck_events_position")),
        sa.CheckConstraint("occurred_at >= 0", name=op.f("ck_events_occurred_at")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_events_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["movie_id"], ["movies.id"], name=op.f("fk_events_movie_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["list_id"], ["served_lists.id"], name=op.f("fk_events_list_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("uq_events_user_id_event_id", "events", ["user_id", "event_id"], unique=True)
    lasting = sa.text(LASTING)
    op.create_index("ix_events_lasting", "events", ["user_id"], sqlite_where=lasting, postgresql_where=lasting)
    op.create_index(op.f("ix_events_kind_occurred_at"), "events", ["kind", "occurred_at"])
    op.create_index(op.f("ix_events_movie_id"), "events", ["movie_id"])
    op.create_index(op.f("ix_events_list_id"), "events", ["list_id"])
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_TRIGGERS if on_sqlite else (*POSTGRESQL_FUNCTIONS, *POSTGRESQL_TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("events")  # with its triggers
    op.drop_table("served_lists")
    op.drop_table("signing_keys")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION count_lasting")
        op.execute("DROP FUNCTION count_lasting_of_both")


_COUNT = "UPDATE users SET revision = revision + 1 WHERE id"

SQLITE_TRIGGERS = [
    f"CREATE TRIGGER events_{name} AFTER {name.upper()} ON events WHEN {when} BEGIN {_COUNT} {users}; END"
    for name, when, users in (
        ("insert", f"NEW.{LASTING}", "= NEW.user_id"),
        ("update", f"NEW.{LASTING} OR OLD.{LASTING}", "IN (OLD.user_id, NEW.user_id)"),
        ("delete", f"OLD.{LASTING}", "= OLD.user_id"),
    )
]


def _count_users(name: str, concerned: str) -> str:
    # As for ratings: users are locked in the order of their ids, by the weakest lock that an update takes.
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"PERFORM id FROM users WHERE id IN ({concerned}) ORDER BY id FOR NO KEY UPDATE; "
        f"UPDATE users SET revision = revision + 1 WHERE id IN ({concerned}); "
        f"RETURN NULL; END $$"
    )


_WRITTEN = f"SELECT user_id FROM written WHERE {LASTING}"
_REPLACED = f"SELECT user_id FROM replaced WHERE {LASTING}"

POSTGRESQL_FUNCTIONS = [
    _count_users("count_lasting", _WRITTEN),
    _count_users("count_lasting_of_both", f"{_WRITTEN} UNION {_REPLACED}"),
]

POSTGRESQL_TRIGGERS = [
    f"CREATE TRIGGER events_{name} AFTER {name.upper()} ON events REFERENCING {tables} FOR EACH STATEMENT "
    f"EXECUTE FUNCTION {function}()"
    for name, tables, function in (
        ("insert", "NEW TABLE AS written", "count_lasting"),
        ("update", "OLD TABLE AS replaced NEW TABLE AS written", "count_lasting_of_both"),
        ("delete", "OLD TABLE AS written", "count_lasting"),
    )
] + ["CREATE TRIGGER events_truncate AFTER TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION count_all_raters()"]
