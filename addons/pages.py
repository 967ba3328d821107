"""Our pages: verdict, client, URL and time in; status, headers and body out. Pure.

A page needs nothing from anywhere: its style is inline (allowed by its hash), it has no script, and its policy forbids
everything else. What a client sent (URL, user name) and what a school wrote (rule, category) is escaped on the way into
HTML and never reaches a header. A URL is shown as text, never as a link.

Status codes: every refusal is 403, suspected illegal content included. 451 (RFC 7725) is for a legal demand made to the
operator, and a status of its own would let anyone read the statutory list out of the gateway, address by address. 407
asks for sign-in, and only where a browser obeys it: outside TLS or at CONNECT. 502 is the origin's fault, 503 is ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from addons.pageevidence import Surroundings, Told, about, clean, evidence, stranger
from addons.pagekinds import PageKind, page_kind
from addons.pagereaders import Audience, Occasion, audience_of, occasion_of
from addons.pagewords import Words, help_for, notice_for, why_for, words_for
from addons.proceed import Offer
from categories.names import Url
from policy.client import Client
from policy.model import Reason, Stage, Verdict

__all__ = ["Page", "PageKind", "Surroundings", "moved", "page_kind", "render"]

TEMPLATES = Path(__file__).parent / "templates"
STYLE = (TEMPLATES / "style.txt").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent image of one pixel."""


def _visible(value: object) -> object:
    """What every expression of a template passes through, before it is escaped."""
    return clean(value) if type(value) is str else value


TEMPLATES_BY_NAME = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    finalize=_visible,
)
_PAGE = TEMPLATES_BY_NAME.get_template("page.html")
_FRAME = TEMPLATES_BY_NAME.get_template("frame.html")

_MOODS = {Occasion.CARE: "care", Occasion.WARN: "warn", Occasion.STATUTORY: "alarm"}
_STATUS = {
    Reason.CERTIFICATE: 502,
    Reason.UPSTREAM: 502,
    Reason.RECORD: 503,
    Reason.FAILURE: 503,
}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of ours, ready to send."""

    status: int
    """HTTP status."""
    headers: tuple[tuple[str, str], ...]
    """Header fields but `Content-Length`, which the host adds."""
    body: bytes
    """Body; empty for HEAD."""


_ANYWHERE = Surroundings()


def render(
    verdict: Verdict,
    client: Client,
    url: Url,
    kind: PageKind,
    *,
    at: datetime,
    around: Surroundings = _ANYWHERE,
    reference: int | str | None = None,
    proceed: Offer | None = None,
    refused: str | None = None,
    method: str = "GET",
    review: str | None = None,
    answered: str = "",
) -> Page:
    """The page for `verdict`.

    `reference` is the record id people quote; `proceed` the button of a warning (`addons.proceed.offer`); `refused` why
    a person may not browse, for reason *identity* (`identity.model.Identity.refused`); `review` where the form for a
    review posts to (`addons.review.offer`), and `answered` what was decided when this reader asked before.
    """
    audience = audience_of(verdict.band or client.band)
    occasion = occasion_of(verdict, refused, audience)
    shown = "" if reference is None else str(reference)
    told = Told(verdict, client, url, shown, at, around, audience, occasion)
    media, body = _body(told, kind, proceed, review, answered)
    status = _status(verdict, occasion, url)
    headers = _headers(told, kind, media, status, offered=(proceed or review) is not None and kind is PageKind.HTML)
    return Page(status, headers, b"" if method == "HEAD" else body)


def moved(back: str) -> Page:
    """303 to `back`, a path on the same origin (`addons.proceed.Answer.back`)."""
    return Page(303, (("Location", back), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")), b"")


def _status(verdict: Verdict, occasion: Occasion, url: Url) -> int:
    if occasion is Occasion.SIGN_IN and (url.scheme == "http" or verdict.stage is Stage.CONNECT):
        return 407
    if verdict.rule == "guard:upload-size":
        return 413  # RFC 9110 §15.5.14: a program can tell "too large" from "closed"
    return _STATUS.get(verdict.reason, 403)


def _body(told: Told, kind: PageKind, proceed: Offer | None, review: str | None, answered: str) -> tuple[str, bytes]:
    """Media type (empty for none) and body."""
    if kind is PageKind.HTML:
        return "text/html; charset=utf-8", _html(told, proceed, review, answered)
    if kind is PageKind.FRAME:
        words = words_for(told.occasion, told.audience)
        text = _FRAME.render(
            words=words,
            reference=told.reference,
            audience=told.audience.value,
            style=Markup(STYLE),  # noqa: S704 - ours
        )
        return "text/html; charset=utf-8", text.encode()
    if kind is PageKind.JSON:
        return "application/json", _json(told)
    if kind is PageKind.IMAGE:
        return "image/gif", _GIF
    return "", b""


def _html(told: Told, proceed: Offer | None, review: str | None, answered: str) -> bytes:
    audience, occasion = told.audience, told.occasion
    words = words_for(occasion, audience)
    minutes = proceed.minutes if proceed else 0
    ours = occasion in (Occasion.BLOCK, Occasion.WARN)
    child = audience in (Audience.YOUNG, Audience.JUNIOR)
    return _PAGE.render(
        style=Markup(STYLE),  # noqa: S704 - our own file
        words=words,
        steps=_steps(words, minutes),
        audience=audience.value,
        mood="" if child and occasion is Occasion.STATUTORY else _MOODS.get(occasion, ""),
        child=child,
        ordered=occasion is Occasion.STATUTORY and not child,
        about=about(told) if ours else "",
        because=told.verdict.because if ours and audience in (Audience.OLDER, Audience.GUEST) else "",
        why=why_for(told.verdict, audience) if ours else "",
        stranger=stranger(told) if ours else "",
        proceed=proceed if occasion is Occasion.WARN else None,
        review=review if occasion is Occasion.BLOCK else None,
        answered=answered if occasion is Occasion.BLOCK else "",
        help=help_for(occasion, audience),
        evidence=evidence(told),
        reference=told.reference,
        notice=notice_for(audience),
        school=told.around.school,
        contact=told.around.contact,
    ).encode()


def _steps(words: Words, minutes: int) -> tuple[str, ...]:
    """The steps, without the sentence about going on where there is no button."""
    return tuple(step.format(minutes=minutes) for step in words.steps if minutes or "{minutes}" not in step)


def _json(told: Told) -> bytes:
    verdict = told.verdict
    secret = verdict.reason is Reason.STATUTORY
    words = words_for(told.occasion, told.audience)
    error: dict[str, Any] = {
        "blocked": verdict.blocked,
        "action": verdict.action.value,
        "reason": verdict.reason.value,
        "message": f"{words.heading}. {words.lead}",
        "reference": told.reference or None,
        "time": told.at.astimezone(UTC).isoformat(),
    }
    if not secret:
        error["category"] = verdict.category
    if (
        told.audience is Audience.STAFF and not secret
    ):  # as on the page (`addons.pageevidence`): what decided, not who asks
        error |= {
            "because": verdict.because,
            "rule": verdict.rule,
            "tier": verdict.tier.value if verdict.tier else None,
            "list": verdict.match.list if verdict.match else None,
            "line": verdict.match.line or None if verdict.match else None,
            "entry": verdict.match.entry if verdict.match else None,
            "revision": verdict.revision,
        }
    return json.dumps({"error": error}).encode()


def _headers(told: Told, kind: PageKind, media: str, status: int, *, offered: bool) -> tuple[tuple[str, str], ...]:
    # Only words of our own enumerations, digits and the realm (reduced to plain ASCII) ever stand in a value.
    headers = [
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Schoolgate-Reason", told.verdict.reason.value),
    ]
    if told.reference.isascii() and told.reference.isalnum():
        headers.append(("X-Schoolgate-Reference", told.reference))
    if media:
        headers.append(("Content-Type", media))
    if kind in (PageKind.HTML, PageKind.FRAME):
        headers.append(("Content-Language", "en-GB"))
        headers.append(("Content-Security-Policy", page_policy(framed=kind is PageKind.FRAME, offered=offered)))
    if kind is PageKind.HTML:
        headers.append(("X-Frame-Options", "DENY"))
    if status == 407:
        headers.append(("Proxy-Authenticate", f'Basic realm="{_plain(told.around.realm)}", charset="UTF-8"'))
    if status == 503:
        headers.append(("Retry-After", "30"))
    return tuple(headers)


def page_policy(*, framed: bool, offered: bool) -> str:
    """Content Security Policy level 3: nothing but our one style sheet, and a form of our own."""
    rules = ["default-src 'none'", f"style-src 'sha256-{_STYLE_HASH}'", "img-src data:", "base-uri 'none'"]
    rules.append("form-action 'self'" if offered else "form-action 'none'")
    if not framed:  # a frame's page has nothing to click, so it may say in the frame what happened
        rules.append("frame-ancestors 'none'")
    return "; ".join(rules)


def _plain(text: str) -> str:
    """`text` as it may stand in a quoted string of a header (RFC 9110, 5.6.4)."""
    return "".join(char for char in text if 0x20 <= ord(char) < 0x7F and char not in '"\\')[:80]
