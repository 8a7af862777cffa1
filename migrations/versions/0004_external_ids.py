"""Ids that users and movies have in other systems, and the scale that a data set's ratings had."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TABLES = ("users", "movies")
PROFILE = "gender, age, occupation"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("scale", sa.JSON(), nullable=True))
    for table in TABLES:
        op.add_column(table, sa.Column("external_id", sa.String(length=128), nullable=True))
        op.create_index(op.f(f"ix_{table}_external_id"), table, ["external_id"], unique=True)
    _count_changes_of(f"{PROFILE}, external_id")


def downgrade() -> None:
    _count_changes_of(PROFILE)
    for table in TABLES:
        op.drop_index(op.f(f"ix_{table}_external_id"), table)
        op.drop_column(table, "external_id")
    op.drop_column("datasets", "scale")


def _count_changes_of(columns: str) -> None:
    """Have the database count a user's revision up with every change of these columns."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER users_update")
        op.execute(
            f"CREATE TRIGGER users_update AFTER UPDATE OF {columns} ON users "
            f"BEGIN UPDATE users SET revision = revision + 1 WHERE id = NEW.id; END"
        )
        return
    op.execute("DROP TRIGGER users_update ON users")
    op.execute(
        f"CREATE TRIGGER users_update BEFORE UPDATE OF {columns} ON users FOR EACH ROW EXECUTE FUNCTION count_profile()"
    )
