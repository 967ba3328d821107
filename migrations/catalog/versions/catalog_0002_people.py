"""People and places: who may sign in, what addresses mean, and the number that says something changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0002"
down_revision: str | None = "catalog_0001"
branch_labels = None
depends_on = None


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("band", sa.Text),
        sa.Column("site", sa.Text),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("consent", sa.Boolean, nullable=False),
        sa.Column("suspended_until_us", sa.BigInteger),
        sa.Column("left_us", sa.BigInteger),
        sa.Column("granted_by", sa.Text, nullable=False),
        sa.Column("granted_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("name", name="uq_person_name"),
    )
    op.create_table(
        "person_group",
        sa.Column("person_id", sa.Integer, sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
    )


def _places() -> None:
    op.create_table(
        "place",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("device", sa.Text),
        sa.Column("band", sa.Text),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("network", name="uq_place_network"),
    )
    op.create_table(
        "place_group",
        sa.Column("place_id", sa.Integer, sa.ForeignKey("place.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
    )


def upgrade() -> None:
    """Make the tables. No account is made: there are no default ones."""
    _people()
    _places()
    op.create_table(
        "registry_revision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO registry_revision (id, number, changed_us) VALUES (1, 0, 0)")


def downgrade() -> None:
    """Remove them, with everybody in them."""
    for table in ("registry_revision", "place_group", "place", "person_group", "person"):
        op.drop_table(table)
