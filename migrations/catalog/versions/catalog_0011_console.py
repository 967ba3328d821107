"""Who may use the console: accounts, what they may do, sessions, tokens, links, failures, saved views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0011"
down_revision: str | None = "catalog_0010"
branch_labels = None
depends_on = None


def _account() -> sa.Column[int]:
    return sa.Column("account_id", sa.Integer, sa.ForeignKey("console_account.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    """Make the tables, empty: there is no default account."""
    op.create_table(
        "console_account",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("person", sa.Text),
        sa.Column("password_hash", sa.Text),
        sa.Column("totp_secret", sa.Text),
        sa.Column("totp_step", sa.BigInteger, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("name", name="uq_console_account_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "console_grant",
        sa.Column("id", sa.Integer, primary_key=True),
        _account(),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("site", sa.Text),
        sa.Column("groups", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "console_session",
        sa.Column("hash", sa.Text, primary_key=True),
        _account(),
        sa.Column("grant_id", sa.Integer, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
    )
    op.create_table(
        "console_token",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("site", sa.Text),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.UniqueConstraint("hash", name="uq_console_token_hash"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "console_link",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Integer),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "console_failure",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("wrong", sa.Integer, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "console_view",
        sa.Column("id", sa.Integer, primary_key=True),
        _account(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account_id", "name", name="uq_console_view_account_id_name"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Remove them: everybody is invited anew."""
    for table in ("view", "failure", "link", "token", "session", "grant", "account"):
        op.drop_table(f"console_{table}")
