"""Whether one row is wanted by a filter: `LogFilter` without a database.

In come a filter and a row that is already read (from a hold, from the spool); out goes yes or no, the same as a search
of the store would say. Pure.
"""

from __future__ import annotations

from logstore.filter import LogFilter, only
from logstore.rows import Row


def matches(wanted: LogFilter, row: Row) -> bool:
    """Whether `row` is one of the rows `wanted` describes."""
    asked = _in_time(wanted, row) and _who(wanted, row) and _where(wanted, row) and _what(wanted, row)
    return asked and not any(matches(only(name, value), row) for name, value in wanted.without)


def _in_time(wanted: LogFilter, row: Row) -> bool:
    return (wanted.since is None or row.at >= wanted.since) and (wanted.until is None or row.at < wanted.until)


def _who(wanted: LogFilter, row: Row) -> bool:
    record = row.record
    pairs = (
        (wanted.id, record.id),
        (wanted.user, record.user),
        (wanted.device, record.device),
        (wanted.client_address, record.client_address),
        (wanted.site, record.site),
        (wanted.band, record.band),
    )
    same = all(asked is None or asked == value for asked, value in pairs)
    return same and (wanted.group is None or wanted.group in record.groups)


def _where(wanted: LogFilter, row: Row) -> bool:
    host = row.record.host
    if wanted.host is not None and host != _host(wanted.host):
        return False
    if wanted.domain is not None:
        domain = _host(wanted.domain)
        if host != domain and not host.endswith(f".{domain}"):
            return False
    return (
        _part(wanted.text.partition("://")[2] or wanted.text, _address(row)) if wanted.text is not None else True
    ) and _texts(wanted, row)


def _texts(wanted: LogFilter, row: Row) -> bool:
    terms = wanted.terms is None or any(_part(wanted.terms, term) for term in row.record.terms)
    return terms and (wanted.title is None or _part(wanted.title, row.ending.title or ""))


def _what(wanted: LogFilter, row: Row) -> bool:
    pairs = (
        (wanted.list, row.record.list),
        (wanted.tier, row.record.tier),
        (wanted.rule, row.rule),
        (wanted.action, row.action),
        (wanted.reason, row.reason),
        (wanted.blocked, row.blocked),
    )
    if not all(asked is None or asked == value for asked, value in pairs):
        return False
    if wanted.category is not None and wanted.category not in (*row.record.categories, row.category):
        return False
    return not wanted.page or row.page


def _address(row: Row) -> str:
    query = "" if row.record.query is None else f"?{row.record.query}"
    return f"{row.record.host}{row.record.path or '/'}{query}"


def _part(wanted: str, text: str) -> bool:
    """As SQLite's LIKE: letters of ASCII in either case."""
    return _lower(wanted) in _lower(text)


def _lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _host(name: str) -> str:
    return name.strip().lower().rstrip(".").removeprefix("*.").removeprefix(".")
