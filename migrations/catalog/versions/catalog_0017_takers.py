"""Who refuses and who takes a host: devices with a name told from addresses, one signed-in person counted once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0017"
down_revision: str | None = "catalog_0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Who took a host until now is not known, and forgotten."""
    op.add_column("tls_refusal", sa.Column("person", sa.Text))
    op.add_column("tls_refusal", sa.Column("named", sa.Boolean, nullable=False, server_default=sa.false()))
    _key("host", "device")


def downgrade() -> None:
    """Count devices as they come again."""
    _key("host")
    for name in ("named", "person"):
        op.drop_column("tls_refusal", name)


def _key(*names: str) -> None:
    """The table of takers, empty, by these columns. In PostgreSQL it stays the same table, with what roles may do."""
    op.execute("DELETE FROM tls_taken")
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("tls_taken")
        more = [sa.Column("person", sa.Text)] if "device" in names else []
        columns = [sa.Column(name, sa.Text, primary_key=True) for name in names]
        op.create_table("tls_taken", *columns, *more, sa.Column("last_us", sa.BigInteger, nullable=False))
        return
    op.drop_constraint("tls_taken_pkey", "tls_taken", type_="primary")
    if "device" in names:
        op.add_column("tls_taken", sa.Column("device", sa.Text, nullable=False))
        op.add_column("tls_taken", sa.Column("person", sa.Text))
    else:
        op.drop_column("tls_taken", "device")
        op.drop_column("tls_taken", "person")
    op.create_primary_key("tls_taken_pkey", "tls_taken", list(names))
