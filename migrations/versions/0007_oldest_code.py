"""The oldest version that still runs on the schema, so that old and new processes may serve side by side.

A migration that takes away or changes what older versions use moves `revisions.oldest_code` up to the revision that
they have to know; one that only adds leaves it as it is.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("revisions", sa.Column("oldest_code", sa.String(32), server_default=revision, nullable=False))


def downgrade() -> None:
    op.drop_column("revisions", "oldest_code")
