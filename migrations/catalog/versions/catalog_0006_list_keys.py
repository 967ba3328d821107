"""Which key signs a list, and where its signature is told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0006"
down_revision: str | None = "catalog_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; lists there are have no key."""
    op.add_column("list_source", sa.Column("key", sa.Text))
    op.add_column("list_source", sa.Column("signature_url", sa.Text))


def downgrade() -> None:
    """Remove them: the lists stay, unsigned."""
    op.drop_column("list_source", "signature_url")
    op.drop_column("list_source", "key")
