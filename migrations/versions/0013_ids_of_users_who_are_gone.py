"""The greatest id that a user has ever had: a new user gets one above it.

What a program still sends for a user who was deleted, such as an event or the same deletion again, must not reach
another person. Ids of users who were deleted before this migration are not known.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("revisions", sa.Column("greatest_user_id", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE revisions SET greatest_user_id = (SELECT coalesce(max(id), 0) FROM users)")
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (SQLITE_TRIGGER,) if on_sqlite else (POSTGRESQL_FUNCTION, POSTGRESQL_TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute("DROP TRIGGER users_insert_id" if on_sqlite else "DROP FUNCTION remember_user_ids CASCADE")
    op.drop_column("revisions", "greatest_user_id")


# Of a user that is there, no id changes.
SQLITE_TRIGGER = (
    "CREATE TRIGGER users_insert_id AFTER INSERT ON users "
    "BEGIN UPDATE revisions SET greatest_user_id = NEW.id WHERE greatest_user_id < NEW.id; END"
)

POSTGRESQL_FUNCTION = (
    "CREATE FUNCTION remember_user_ids() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE revisions SET greatest_user_id = latest.id FROM (SELECT max(id) AS id FROM written) AS latest "
    "WHERE latest.id > greatest_user_id; RETURN NULL; END $$"
)

POSTGRESQL_TRIGGER = (
    "CREATE TRIGGER users_insert_id AFTER INSERT ON users "
    "REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION remember_user_ids()"
)
