"""What IMDb and TMDB call the movies."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("movies", sa.Column("imdb_id", sa.String(length=11), nullable=True))
    op.add_column("movies", sa.Column("tmdb_id", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("movies", "tmdb_id")
    op.drop_column("movies", "imdb_id")
