"""The models that were served, rounds of retraining, and the model that is pinned."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("revisions", sa.Column("pinned", sa.String(), nullable=True))
    op.create_table(
        "served_models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("served_from", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.Column("served_until", sa.BigInteger(), nullable=True, comment="Unix seconds"),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("rmse", sa.Double(), nullable=False),
        sa.Column("ndcg_at_10", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served_models")),
    )
    op.create_table(
        "retrainings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True, comment="Unix seconds"),
        sa.Column("ratings", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint("outcome IN ('served', 'aside', 'failed')", name=op.f("ck_retrainings_outcome")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrainings")),
    )


def downgrade() -> None:
    op.drop_table("retrainings")
    op.drop_table("served_models")
    op.drop_column("revisions", "pinned")
