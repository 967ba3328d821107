"""Looks at people's rows: who may, for what reason, and the line in the audit trail before anything is shown.

A request and a filter in; nothing out, or a refusal. The rules (design §5.10): a look is written down before a row is
shown, and where it cannot be written down nothing is shown; one person's history needs the right, a reason where the
role or the person needs one, and is never one's own.
"""

from __future__ import annotations

from console import sessions
from console.drawing import link
from console.page import Ask, Refused
from console.roles import Names
from identity.directory import account_name
from logstore.audit import record_look
from logstore.filter import LogFilter
from logstore.query import Archive
from registry.people import find

PUPILS = frozenset({"eyfs", "ks1", "ks2", "ks3", "ks4", "ks5"})
"""Bands of children."""
NEWEST = 200
"""So many rows of a group are asked whose they are: a headteacher's group is one person by another name."""


def reason_to_look(ask: Ask, wanted: LogFilter) -> str:
    """The reason for a look at one person's rows; empty where none is needed. Raises `Refused`,
    which leads to where a reason is given."""
    alone = alone_in(ask, wanted)
    subject = subject_of(wanted) or account_name(alone)
    if not subject:
        return ""
    if ask.me.names is Names.NEVER:
        raise Refused("Not for your role", "Your role sees numbers, and nobody's name.")
    if is_own(ask, subject):
        raise Refused("These are your own rows", "Somebody else looks at them for you: nobody checks themselves.")
    with ask.house.reading() as connection:
        why = sessions.reason_for(connection, ask.me.session, subject, ask.now)
        account = find(connection, subject) if wanted.user or alone else None
    pupil = account is not None and account.person.band in PUPILS
    if why or (pupil and ask.me.names is Names.PUPILS):
        return why
    words = "Say first why you look at one person's or machine's rows: POST a reason to /reason."
    raise Refused("A reason is needed", words, to=link("/reason", user=subject, next=ask.here))


def subject_of(wanted: LogFilter) -> str:
    """Whose history a search is: a person's, or that of a machine, which mostly is one person's; empty for nobody's."""
    return account_name(wanted.user or wanted.device or wanted.client_address or "")


def alone_in(ask: Ask, wanted: LogFilter) -> str:
    """The adult whose history a search by group, or without everybody else, is: its newest rows are all theirs.

    Empty for nobody.
    """
    others = tuple(one for one in wanted.without if one[0] in {"user", "device", "client_address", "group", "band"})
    if subject_of(wanted) or (wanted.group is None and not others):
        return ""
    of = LogFilter(group=wanted.group, site=wanted.site, band=wanted.band if others else None, without=others)
    with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
        found = archive.search(of, NEWEST).rows
    users = {row.record.user for row in found}
    adults = all(row.record.band not in PUPILS for row in found)
    return (users.pop() or "") if len(users) == 1 and adults else ""


def write_look(ask: Ask, wanted: LogFilter, rows: int | None, why: str = "", of: str = "") -> None:
    """Write the look down. Raises what keeps it from being written, and then nothing is shown."""
    subject = written_subject(ask, wanted)
    asked = of + wanted.sentence(timezone=ask.house.zone)
    with ask.house.writing() as connection:
        record_look(connection, who=ask.me.who, subject=subject, asked=asked, rows=rows, why=why, at=ask.now)


def of_site(ask: Ask, user: str) -> bool:
    """Whether an account at the proxy is of the site of whoever asks; every account is for a role of the trust."""
    if ask.me.site is None:
        return True
    with ask.house.reading() as connection:
        found = find(connection, user)
    return found is not None and found.person.site == ask.me.site


def written_subject(ask: Ask, wanted: LogFilter) -> str:
    """Whom or which machine a line on this search names; `record` for nobody in particular."""
    return wanted.user or wanted.device or wanted.client_address or alone_in(ask, wanted) or "record"


def is_own(ask: Ask, user: str | None) -> bool:
    """Whether this account at the proxy is that of whoever looks."""
    return user is not None and ask.me.person is not None and account_name(user) == account_name(ask.me.person)
