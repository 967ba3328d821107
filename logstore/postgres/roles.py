"""Who may do what in the record's database: roles to hand to accounts, each with what its work needs and no more.

A prefix comes in; statements go out, and what they say can be put in force by the record's owner. The roles cannot sign
in; accounts are made members of them. The rule: a table that comes later is nobody's until it stands here, and a test
does each role's work under it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from logstore.gateways import COMPARED
from logstore.place import Database, StoreError
from logstore.postgres import rollups
from logstore.postgres.db import HOLDS, VERSION_TABLES, open_engine
from logstore.schema import DIMENSIONS

type Grants = Mapping[str, str]

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
"""How a prefix is written."""
_NAMES = tuple(table.name for table in DIMENSIONS)
_SUMS = (*(table.name for table in rollups.TABLES), rollups.scope.name)
_READ: Grants = {
    "log": "SELECT",
    "log_default": "SELECT (id)",
    **dict.fromkeys(_NAMES, "SELECT"),
    **dict.fromkeys(("day_file", "log_cursor", "log_hour", "gateway", "retention_run", "chain_batch"), "SELECT"),
    **dict.fromkeys(_SUMS, "SELECT"),
}
_TRAIL: Grants = {"audit": "SELECT (id, hash), INSERT", "audit_number": "SELECT"}
"""What adding a line to the audit trail needs: reading what it says does not belong to it."""
_NUMBERED = frozenset(
    (
        *_NAMES, "retention_run", "export_file", "review_request", "person", "override", "entry", "place",
        "list_source", "policy_version", "console_account", "console_grant", "console_token", "console_view",
        "rollup_scope", f"{HOLDS}.hold",
    )
)  # fmt: skip
"""Tables whose lines get a number from the database."""
_CONSOLE = tuple(f"console_{what}" for what in ("account", "grant", "session", "token", "link", "failure", "view"))
_REFUSALS = ("tls_refusal", "tls_accepts", "tls_taken")
_COUNTED = ("tally_file", "tally_day", "tally_month")
TABLES: Mapping[str, Grants] = {
    "writer": {
        "log": f"INSERT, SELECT ({', '.join(('id', *COMPARED))})",
        **dict.fromkeys(_NAMES, "SELECT, INSERT, UPDATE"),
        **dict.fromkeys(("day_file", "log_cursor", "log_sent", "log_hour", "gateway"), "SELECT, INSERT, UPDATE"),
        "chain_batch": "INSERT, SELECT (file, gateway, number, mark)",
        "log_default": "SELECT (id)",
        "retention_run": "SELECT",
        "review_request": "INSERT, SELECT (id, mark)",
        **dict.fromkeys(_REFUSALS, "SELECT, INSERT, UPDATE, DELETE"),
    },
    "reader": {
        **_READ,
        **_TRAIL,
        **dict.fromkeys(_COUNTED, "SELECT"),
        "export_file": "SELECT, INSERT",
    },
    "auditor": {
        "audit": "SELECT",
        "audit_number": "SELECT",
        "log": "SELECT (id)",
        "log_default": "SELECT (id)",
        **dict.fromkeys(("day_file", "retention_run", "export_file", "gateway", "chain_batch", *_COUNTED), "SELECT"),
        f"{HOLDS}.hold": "SELECT",
        f"{HOLDS}.held_row": "SELECT",
    },
    "retention": {
        **_READ,
        **dict.fromkeys(_NAMES, "SELECT, DELETE"),
        "audit": "SELECT, INSERT",
        "audit_number": "SELECT",
        "day_file": "SELECT, INSERT, UPDATE",
        "log_hour": "SELECT, DELETE",
        **dict.fromkeys(_SUMS, "SELECT, INSERT, DELETE"),
        "retention_run": "SELECT, INSERT, UPDATE",
        **dict.fromkeys(_COUNTED, "SELECT, INSERT, DELETE"),
        **dict.fromkeys(("review_request", "override", "export_file", *_REFUSALS, "tls_dismissed"), "SELECT, DELETE"),
        "console_session": "SELECT (hash, made_us), DELETE",
        "console_view": "SELECT (id, made_us, used_us), DELETE",
        f"{HOLDS}.hold": "SELECT, INSERT, UPDATE",
        f"{HOLDS}.held_row": "SELECT, INSERT, UPDATE, DELETE",
    },
    "decider": {
        **_READ,
        "audit": "SELECT, INSERT",
        "audit_number": "SELECT",
        "registry_revision": "SELECT, UPDATE",
        **dict.fromkeys(("person", "override", "entry", "review_request", "policy_version"), "SELECT, INSERT, UPDATE"),
        **dict.fromkeys(_REFUSALS, "SELECT"),
        "tls_dismissed": "SELECT, INSERT, UPDATE",
        **dict.fromkeys(("person_group", "place", "place_group", "list_source"), "SELECT, INSERT, UPDATE, DELETE"),
        f"{HOLDS}.hold": "SELECT, INSERT, UPDATE",
        f"{HOLDS}.held_row": "SELECT, INSERT, UPDATE, DELETE",
    },
    "console": dict.fromkeys(_CONSOLE, "SELECT, INSERT, UPDATE, DELETE"),
}
"""What each role may do with which table; columns in brackets are all it may see."""
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "writer": ("make_log_day",),
    "retention": ("detach_log_day", "drop_log_day", "drop_log_strays"),
}
"""What each may have done for it, as the record's owner."""
OWN_TABLES = ("log_batch",)
"""Tables that are the owner's alone."""
OWN_FUNCTIONS = ("log_day_start", "audit_refuse", "audit_count")
"""Functions that others call, which nobody is granted."""
WORK: Mapping[str, str] = {
    "writer": "ships records",
    "reader": "searches the record, and leaves a line about it",
    "auditor": "checks the audit trail, the books, the chains and held rows; sees no other row",
    "retention": "removes days that are due, copies what holds want of them, and makes the sums that numbers come from",
    "decider": "decides about people, lists, pages and holds",
    "console": "signs people in to the console; its account is a reader and a decider, too",
}
"""What each role is for. A gateway's account is a member of writer, retention and decider."""


def statements(prefix: str = "schoolgate") -> Iterator[str]:
    """SQL that makes the roles what stands here, whatever they were. Raises `ValueError` for a prefix that is none."""
    if not NAME.fullmatch(prefix):
        raise ValueError(f"{prefix!r} is no beginning of a role's name; it would be like schoolgate")
    for role, tables in TABLES.items():
        name = f"{prefix}_{role}"
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') "
            f"THEN CREATE ROLE {name} NOLOGIN; END IF; END $$"
        )
        for schema in ("public", HOLDS):
            yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {name}"
            yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {name}"
            yield f"GRANT USAGE ON SCHEMA {schema} TO {name}"
        for table in VERSION_TABLES.values():
            yield f"GRANT SELECT ON {table} TO {name}"
        for table, rights in tables.items():
            yield f"GRANT {rights} ON {table} TO {name}"
            if "INSERT" in rights and table in _NUMBERED:
                yield f"GRANT USAGE ON SEQUENCE {table}_id_seq TO {name}"
        for function in FUNCTIONS.get(role, ()):
            yield f"GRANT EXECUTE ON FUNCTION {function}(date) TO {name}"


def put_in_force(database: Database, prefix: str = "schoolgate") -> None:
    """Make the roles, all or none. Raises `StoreError` when the account may not."""
    import psycopg
    import sqlalchemy.exc

    engine = open_engine(database)
    try:
        with engine.begin() as connection:
            for statement in statements(prefix):
                connection.exec_driver_sql(statement)
    except sqlalchemy.exc.ProgrammingError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        do = "Run it as the record's owner with CREATEROLE, or hand on what `schoolgate db roles --sql` prints."
        raise StoreError("this account may not make roles", database, do) from error
    finally:
        engine.dispose()
