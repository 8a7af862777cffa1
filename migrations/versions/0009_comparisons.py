"""Comparisons of two models that are served side by side."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("champion", sa.String(), nullable=False),
        sa.Column("challenger", sa.String(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False, comment="of the users whom the challenger answers"),
        sa.Column("begun_at", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True, comment="Unix seconds"),
        sa.CheckConstraint("share > 0 AND share < 1", name=op.f("ck_comparisons_share")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
    )


def downgrade() -> None:
    op.drop_table("comparisons")
