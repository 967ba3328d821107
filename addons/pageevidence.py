"""What a page tells about its verdict, by reader: a verdict, a client and a URL in, rows of text out. Pure.

Children get plain words and a number; older pupils and guests what they may quote; staff what they can act on. For
suspected illegal content nobody sees the address, the entry or the category again (A-25).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from addons.pagereaders import Audience, Occasion
from categories.names import Url
from categories.taxonomy import Category
from policy.client import Client
from policy.model import Reason, Verdict

_LONGEST_SHOWN = 160
"""Characters of a URL a page shows."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all pages of a gateway share."""

    school: str = ""
    """Name of the school or trust; empty leaves it out."""
    contact: str = ""
    """Whom to ask, as text: `ICT support, extension 204`."""
    zone: tzinfo = UTC
    """Zone of the times shown."""
    realm: str = "School internet"
    """Shown in the browser's sign-in box."""
    categories: Mapping[str, Category] = field(default_factory=dict)
    """The taxonomy: titles for staff, plain words for children."""


@dataclass(frozen=True, slots=True)
class Told:
    """Everything one page is made from."""

    verdict: Verdict
    """What was decided."""
    client: Client
    """Who asked."""
    url: Url
    """What was asked for."""
    reference: str
    """Record id as text; empty when there is none."""
    at: datetime
    """When, aware."""
    around: Surroundings
    """What all pages share."""
    audience: Audience
    """Who reads."""
    occasion: Occasion
    """What happened."""


def about(told: Told) -> str:
    """What the page is about, in the reader's words; nothing a child could not read."""
    category = told.around.categories.get(told.verdict.category or "")
    if told.audience in (Audience.YOUNG, Audience.JUNIOR):
        return f"This page is about {category.plain}." if category else ""
    if told.audience is Audience.STAFF:
        return told.verdict.because
    name = _title(told, told.verdict.category)
    return f"What it is: {name}" if name else ""


def _title(told: Told, name: str | None) -> str:
    category = told.around.categories.get(name or "")
    return category.title if category else (name or "").replace("-", " ")


def stranger(told: Told) -> str:
    """A word to the grown-up where the strictest rules hold only because nobody is known."""
    if told.client.band_known:
        return ""
    return (
        "For a grown-up: the gateway does not know who is asking, so its strictest rules hold. Sign in to change that."
    )


def evidence(told: Told) -> tuple[tuple[str, str], ...]:
    """What the reader may quote (older pupils, guests) or act on (staff). Children get the number alone."""
    if told.audience in (Audience.YOUNG, Audience.JUNIOR):
        return ()
    # Suspected illegal content: the address and the entry are not to be seen, copied or tried again.
    secret = told.verdict.reason is Reason.STATUTORY
    when = told.at.astimezone(told.around.zone)
    rows = [("Reference", told.reference), ("Time", f"{when:%A} {when.day} {when:%B %Y, %H:%M:%S}")]
    if not secret:
        rows.append(("Website", displayed(told.url, whole=told.audience is Audience.STAFF)))
    if told.audience is Audience.STAFF:
        rows += _staff_evidence(told, secret=secret)
    return tuple((name, value) for name, value in rows if value)


def _staff_evidence(told: Told, *, secret: bool) -> list[tuple[str, str]]:
    # Who asks is not said: the page stands on the website's own origin, whose scripts could read it. The reference
    # leads those who may know to the record.
    verdict, match = told.verdict, told.verdict.match
    rows = [
        ("Decision", f"{verdict.action.value}, reason: {verdict.reason.value}"),
        ("Rule", "" if secret else verdict.rule or ""),
        ("Tier", verdict.tier.value if verdict.tier else ""),
    ]
    if not secret:
        rows.append(("Category", _title(told, verdict.category)))
        rows.append(
            ("List", f"{match.list}, line {match.line}" if match and match.line else match.list if match else "")
        )
        rows.append(("Entry", match.entry if match else ""))
        rows.append(("Search words", ", ".join(verdict.terms)))
    else:
        rows.append(("Machine", told.client.device or told.client.address))  # whoever comes must find it
    rows.append(("Revision", verdict.revision))
    return rows


def displayed(url: Url, *, whole: bool) -> str:
    """A URL as text for people: no query (it may hold secrets), no invisible or direction-changing characters."""
    if not url.host:
        return ""
    host = f"[{url.host}]" if ":" in url.host else url.host
    default = {"http": 80, "ws": 80, "https": 443, "wss": 443}.get(url.scheme)
    text = host + ("" if url.port == default else f":{url.port}")
    if whole:
        text = f"{url.scheme}://{text}{url.path}"
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def clean(text: str) -> str:
    """`text` without control, format, surrogate and private characters, which could disguise it."""
    return "".join("�" if unicodedata.category(char)[0] == "C" else char for char in text)
