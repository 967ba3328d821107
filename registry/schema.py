"""The tables of what people have decided about people and places. They live in the catalog, beside the record's.

Nothing comes in; `metadata` goes out. The rule: every change raises `registry_revision` in its own transaction, so that
one number says whether anything changed. Times are microseconds since the Unix epoch, UTC. Migrations make the tables.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, MetaData, Table, Text, UniqueConstraint, false

NAMING = {"ix": "%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
"""How constraints without a name of their own are called."""

metadata = MetaData(naming_convention=NAMING)
"""Tables of the registry."""

person = Table(
    "person",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("password_hash", Text),
    Column("band", Text),
    Column("site", Text),
    Column("shared", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("consent", Boolean, nullable=False),
    Column("suspended_until_us", BigInteger),
    Column("left_us", BigInteger),
    Column("granted_by", Text, nullable=False),
    Column("granted_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    UniqueConstraint("name"),
)
"""Everybody who was ever given access (B-15). Leavers stay, so that a name in the record never means somebody else."""

person_group = Table(
    "person_group",
    metadata,
    Column("person_id", Integer, ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
)
"""Groups of a person."""

place = Table(
    "place",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("network", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("device", Text),
    Column("band", Text),
    Column("shared", Boolean, nullable=False),
    Column("asset", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    UniqueConstraint("network"),
)
"""What addresses mean: networks and single machines, with the inventory's tag and owner (E-07)."""

place_group = Table(
    "place_group",
    metadata,
    Column("place_id", Integer, ForeignKey("place.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
)
"""Groups of a place."""

registry_revision = Table(
    "registry_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)
"""One row (id 1): how often anything was changed. The migration lays it down with number 0."""

override = Table(
    "override",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("action", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("site", Text),
    Column("group_name", Text),
    Column("band", Text),
    Column("account", Text),
    Column("until_us", BigInteger),
    Column("why", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("ended_by", Text),
    Column("ended_us", BigInteger),
    Column("ended_why", Text),
    sqlite_autoincrement=True,
)
"""One-click decisions (B-14, B-47, L-15). Ended ones stay: their number is in the record."""

entry = Table(
    "entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("category", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("until_us", BigInteger),
    Column("why", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("ended_by", Text),
    Column("ended_us", BigInteger),
    Column("ended_why", Text),
    sqlite_autoincrement=True,
)
"""Entries of the school's own lists. Removed ones stay, as with overrides."""

list_source = Table(
    "list_source",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("category", Text),
    Column("every_s", Integer),
    Column("sha256", Text),
    Column("checksum_url", Text),
    Column("licence", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("key", Text),
    Column("signature_url", Text),
    Column("url_match", Text, nullable=False, server_default="exact"),
    Column("limit", Integer, nullable=False, server_default="60"),
    Column("apply_to", Text, nullable=False, server_default="search"),
    Column("max_bytes", BigInteger),
    UniqueConstraint("name"),
)
"""Sources of lists added by command. How updating them goes is kept beside the lists, not here."""

review_request = Table(
    "review_request",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mark", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("account", Text),
    Column("address", Text, nullable=False),
    Column("device", Text),
    Column("site", Text),
    Column("band", Text),
    Column("verified", Boolean, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("answer", Text),
    Column("made", Text),
    Column("decided_by", Text),
    Column("decided_us", BigInteger),
    UniqueConstraint("mark"),
    sqlite_autoincrement=True,
)
"""Requests to look again at a page (A-17). `mark` tells one from its repeats; `verdict` is JSON."""

tls_refusal = Table(
    "tls_refusal",
    metadata,
    Column("host", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("site", Text),
    Column("staff", Boolean, nullable=False),
    Column("sign", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("person", Text),
    Column("named", Boolean, nullable=False, server_default=false()),
)
"""Devices that would not have our certificate for a host, by UTC day; `person` is a digest of who was signed in, for
this host alone. None outlives the window it is counted in."""

tls_accepts = Table(
    "tls_accepts",
    metadata,
    Column("device", Text, primary_key=True),
    Column("last_us", BigInteger, nullable=False),
)
"""When each device last took our certificate for anything."""

tls_taken = Table(
    "tls_taken",
    metadata,
    Column("host", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("person", Text),
    Column("last_us", BigInteger, nullable=False),
)
"""When some devices last took our certificate for each host: as many as it takes to tell."""

tls_dismissed = Table(
    "tls_dismissed",
    metadata,
    Column("host", Text, primary_key=True),
    Column("made_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
)
"""Hosts somebody said not to suggest again before a time."""

console_account = Table(
    "console_account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("person", Text),
    Column("password_hash", Text),
    Column("totp_secret", Text),
    Column("totp_step", BigInteger, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)
"""Who may sign in to the console. `person` is their own account at the proxy; `totp_step` is the last one-time code's,
so that none works twice. Nobody is removed: the name stays in the audit trail."""

console_grant = Table(
    "console_grant",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("console_account.id", ondelete="CASCADE"), nullable=False),
    Column("role", Text, nullable=False),
    Column("site", Text),
    Column("groups", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""What an account may do: a role at one site, or in the whole trust (no site); a teacher's classes as a JSON list."""

console_session = Table(
    "console_session",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("account_id", Integer, ForeignKey("console_account.id", ondelete="CASCADE"), nullable=False),
    Column("grant_id", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("reasons", Text, nullable=False),
)
"""Sessions: the hash of the cookie, never the cookie. `reasons` is JSON: why this person looks at whom, until when."""

console_token = Table(
    "console_token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("site", Text),
    Column("made_by", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    UniqueConstraint("hash"),
    sqlite_autoincrement=True,
)
"""Tokens of programs that read: the hash, never the token."""

console_link = Table(
    "console_link",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("account_id", Integer),
    Column("made_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
)
"""Links that work once: to make the first account (no account yet), or to choose a password. Used ones are gone."""

console_failure = Table(
    "console_failure",
    metadata,
    Column("key", Text, primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("last_us", BigInteger, nullable=False),
)
"""Wrong sign-ins, by hashes of what was tried and where from."""

console_view = Table(
    "console_view",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("console_account.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("account_id", "name"),
    sqlite_autoincrement=True,
)
"""Searches somebody saved, as the address of the page, and when each was last of use (`console.lastused`)."""

policy_version = Table(
    "policy_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("site", Text),
    Column("authors", Text, nullable=False),
    Column("begun_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("asked_by", Text),
    Column("asked_us", BigInteger),
    Column("why", Text, nullable=False),
    Column("published_by", Text),
    Column("published_us", BigInteger),
    Column("problem", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""Texts of the policy: drafts, those that wait for a second person, and every one that was ever published."""
