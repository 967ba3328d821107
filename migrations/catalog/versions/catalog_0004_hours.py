"""Which hours have rows, and how often each has changed: what sums of an hour are compared with."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "catalog_0004"
down_revision: str | None = "catalog_0003"
branch_labels = None
depends_on = None

HOUR_US = 3_600_000_000


def upgrade() -> None:
    """Make the table, with every hour that the days there are may have rows of."""
    hours = op.create_table(
        "log_hour",
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True),
        sa.Column("marks", sa.BigInteger, nullable=False),
    )
    days = sa.table("day_file", *(sa.column(name) for name in ("day", "state", "early_us", "late_us")))
    found = op.get_bind().execute(
        sa.select(days.c.day, sa.func.max(days.c.early_us), sa.func.max(days.c.late_us))
        .where(days.c.state.in_(("open", "sealed")))
        .group_by(days.c.day)
    )
    values = [
        {"day": day, "hour": hour, "marks": 1}
        for day, early, late in found.all()
        for hour in range((_start(day) - early) // HOUR_US, (_start(day) + 24 * HOUR_US - 1 + late) // HOUR_US + 1)
    ]
    op.bulk_insert(hours, values)


def downgrade() -> None:
    """Remove it."""
    op.drop_table("log_hour")


def _start(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 24 * HOUR_US
