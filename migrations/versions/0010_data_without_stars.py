"""Data sets without stars, and models that predict none."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("has_stars", sa.Boolean(), server_default=sa.true(), nullable=False))
    with op.batch_alter_table("served_models") as served_models:
        served_models.alter_column("rmse", existing_type=sa.Double(), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM served_models WHERE rmse IS NULL")
    with op.batch_alter_table("served_models") as served_models:
        served_models.alter_column("rmse", existing_type=sa.Double(), nullable=False)
    op.drop_column("datasets", "has_stars")
