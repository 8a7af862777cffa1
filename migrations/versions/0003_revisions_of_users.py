"""Revisions of users: what a process keeps of a user is good as long as the revision stays the same.

The database itself counts, whoever writes. A user's revision begins at the Unix time in microseconds, and every write
of profile or ratings adds to it. `revisions.users_above` is the greatest revision of a user who is gone: new users
begin above it, even if the clock is coarse (milliseconds in SQLite) or is set back.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # SQLite adds no column whose default is an expression, so a trigger writes the first revision.
    op.add_column("users", sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("revisions", sa.Column("users_above", sa.BigInteger(), server_default="0", nullable=False))
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(f"UPDATE users SET revision = {SQLITE_CLOCK if on_sqlite else POSTGRESQL_CLOCK}")
    for statement in SQLITE_TRIGGERS.values() if on_sqlite else (*POSTGRESQL_FUNCTIONS.values(), *POSTGRESQL_TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in SQLITE_TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
    else:
        for name in reversed(POSTGRESQL_FUNCTIONS):
            op.execute(f"DROP FUNCTION {name} CASCADE")
    op.drop_column("revisions", "users_above")
    op.drop_column("users", "revision")


SQLITE_CLOCK = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000"

_FIRST = f"max({SQLITE_CLOCK}, (SELECT users_above + 1 FROM revisions))"
_COUNT = "UPDATE users SET revision = revision + 1 WHERE id"
_REMEMBER = "UPDATE revisions SET users_above = max(users_above, users.revision) FROM users WHERE users.id"

SQLITE_TRIGGERS = {
    name: f"CREATE TRIGGER {name} {moment} BEGIN {action}; END"
    for name, moment, action in (
        # REPLACE removes a row without running a trigger of its deletion.
        ("users_insert_remember", "BEFORE INSERT ON users", f"{_REMEMBER} = NEW.id"),
        ("users_insert", "AFTER INSERT ON users", f"UPDATE users SET revision = {_FIRST} WHERE id = NEW.id"),
        ("users_update", "AFTER UPDATE OF gender, age, occupation ON users", f"{_COUNT} = NEW.id"),
        ("users_rename_remember", "BEFORE UPDATE OF id ON users", f"{_REMEMBER} IN (OLD.id, NEW.id)"),
        ("users_rename", "AFTER UPDATE OF id ON users", f"UPDATE users SET revision = {_FIRST} WHERE id = NEW.id"),
        ("users_delete", "BEFORE DELETE ON users", f"{_REMEMBER} = OLD.id"),
        ("ratings_insert", "AFTER INSERT ON ratings", f"{_COUNT} = NEW.user_id"),
        ("ratings_update", "AFTER UPDATE ON ratings", f"{_COUNT} IN (OLD.user_id, NEW.user_id)"),
        ("ratings_delete", "AFTER DELETE ON ratings", f"{_COUNT} = OLD.user_id"),
    )
}

POSTGRESQL_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


def _trigger_function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$"


def _count_raters(concerned: str) -> str:
    # Locked in the order of their ids, so that two writers never wait for each other. The lock is the weakest that an
    # update takes: foreign keys of ratings hold KEY SHARE locks on the same users, which a stronger one would wait for.
    return (
        f"PERFORM id FROM users WHERE id IN ({concerned}) ORDER BY id FOR NO KEY UPDATE; "
        f"UPDATE users SET revision = revision + 1 WHERE id IN ({concerned}); "
        f"RETURN NULL"
    )


def _remember(users: str) -> str:
    return (
        f"UPDATE revisions SET users_above = gone.latest FROM (SELECT max(revision) AS latest FROM {users}) AS gone "
        f"WHERE gone.latest > users_above; RETURN NULL"
    )


POSTGRESQL_FUNCTIONS = {
    "first_revision": (
        f"CREATE FUNCTION first_revision() RETURNS bigint LANGUAGE sql VOLATILE AS "
        f"$$ SELECT greatest({POSTGRESQL_CLOCK}, (SELECT users_above + 1 FROM revisions)) $$"
    ),
    "begin_revision": _trigger_function("begin_revision", "NEW.revision := first_revision(); RETURN NEW"),
    "count_profile": _trigger_function("count_profile", "NEW.revision := OLD.revision + 1; RETURN NEW"),
    "rename_user": _trigger_function(
        "rename_user",
        "UPDATE revisions SET users_above = greatest(users_above, OLD.revision); "
        "NEW.revision := first_revision(); RETURN NEW",
    ),
    "count_raters": _trigger_function("count_raters", _count_raters("SELECT user_id FROM written")),
    "count_raters_of_both": _trigger_function(
        "count_raters_of_both",
        _count_raters("SELECT user_id FROM replaced UNION SELECT user_id FROM written"),
    ),
    "count_all_raters": _trigger_function("count_all_raters", "UPDATE users SET revision = revision + 1; RETURN NULL"),
    "remember_removed": _trigger_function("remember_removed", _remember("removed")),
    "remember_all": _trigger_function("remember_all", _remember("users")),
    # A deletion locks ratings first and their users later, in no order. It goes alone: it waits for all who write
    # ratings, before it locks a row, and they wait for it.
    "write_ratings_alone": _trigger_function(
        "write_ratings_alone", "LOCK TABLE ratings IN SHARE ROW EXCLUSIVE MODE; RETURN NULL"
    ),
}

POSTGRESQL_TRIGGERS = [
    f"CREATE TRIGGER {name} {moment} EXECUTE FUNCTION {function}()"
    for name, moment, function in (
        ("users_insert", "BEFORE INSERT ON users FOR EACH ROW", "begin_revision"),
        ("users_update", "BEFORE UPDATE OF gender, age, occupation ON users FOR EACH ROW", "count_profile"),
        # After `users_update` in alphabetical order, which is the order in which they run.
        (
            "users_update_id",
            "BEFORE UPDATE OF id ON users FOR EACH ROW WHEN (OLD.id <> NEW.id)",
            "rename_user",
        ),
        (
            "users_delete",
            "AFTER DELETE ON users REFERENCING OLD TABLE AS removed FOR EACH STATEMENT",
            "remember_removed",
        ),
        ("users_delete_alone", "BEFORE DELETE ON users FOR EACH STATEMENT", "write_ratings_alone"),
        ("movies_delete_alone", "BEFORE DELETE ON movies FOR EACH STATEMENT", "write_ratings_alone"),
        ("users_truncate", "BEFORE TRUNCATE ON users FOR EACH STATEMENT", "remember_all"),
        (
            "ratings_insert",
            "AFTER INSERT ON ratings REFERENCING NEW TABLE AS written FOR EACH STATEMENT",
            "count_raters",
        ),
        (
            "ratings_update",
            "AFTER UPDATE ON ratings REFERENCING OLD TABLE AS replaced NEW TABLE AS written FOR EACH STATEMENT",
            "count_raters_of_both",
        ),
        (
            "ratings_delete",
            "AFTER DELETE ON ratings REFERENCING OLD TABLE AS written FOR EACH STATEMENT",
            "count_raters",
        ),
        ("ratings_truncate", "AFTER TRUNCATE ON ratings FOR EACH STATEMENT", "count_all_raters"),
    )
]
