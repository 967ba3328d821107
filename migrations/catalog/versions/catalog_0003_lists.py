"""What people decide about pages and lists: overrides, own entries, sources of lists, review requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0003"
down_revision: str | None = "catalog_0002"
branch_labels = None
depends_on = None


def _made_and_ended() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("until_us", sa.BigInteger),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("ended_by", sa.Text),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("ended_why", sa.Text),
    )


def _decisions() -> None:
    op.create_table(
        "override",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("site", sa.Text),
        sa.Column("group_name", sa.Text),
        sa.Column("band", sa.Text),
        sa.Column("account", sa.Text),
        *_made_and_ended(),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "entry",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        *_made_and_ended(),
        sqlite_autoincrement=True,
    )


def _sources() -> None:
    op.create_table(
        "list_source",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("every_s", sa.Integer),
        sa.Column("sha256", sa.Text),
        sa.Column("checksum_url", sa.Text),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("name", name="uq_list_source_name"),
    )


def _requests() -> None:
    op.create_table(
        "review_request",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("account", sa.Text),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("device", sa.Text),
        sa.Column("site", sa.Text),
        sa.Column("band", sa.Text),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("wanted", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("asked_us", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("made", sa.Text),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_us", sa.BigInteger),
        sa.UniqueConstraint("mark", name="uq_review_request_mark"),
        sqlite_autoincrement=True,
    )


def upgrade() -> None:
    """Make the tables."""
    _decisions()
    _sources()
    _requests()


def downgrade() -> None:
    """Remove them, with everything decided in them."""
    for table in ("review_request", "list_source", "entry", "override"):
        op.drop_table(table)
