"""Puts our own answers on a flow: block, warn, sign-in and error pages.

The words and looks are `addons.pages`; this file only knows the host's response object. Answering always clears
`request.stream`, or the host crashes on a streamed upload.
"""

from __future__ import annotations

from dataclasses import replace

from mitmproxy import http

from addons.flownotes import FlowNotes
from addons.live import Live
from addons.pages import Page, page_kind, render
from addons.proceed import Offer
from addons.review import offer as offer_review
from categories.names import Url
from policy.model import Action, Reason, Verdict

NOWHERE = Url(scheme="http", host="", port=0)
"""Stands for the destination of a request that named none."""


def answer(
    live: Live,
    flow: http.HTTPFlow,
    notes: FlowNotes,
    verdict: Verdict,
    *,
    proceed: Offer | None = None,
    refused: str | None = None,
    status: int | None = None,
) -> None:
    """Answer with the page for `verdict`; with this `status`, where one says more than the page's own."""
    if notes.reference is None:
        notes.reference = live.ids.next()
    request, at = flow.request, live.now()
    url = notes.url or NOWHERE
    page = render(
        verdict,
        notes.client,
        url,
        page_kind(request.method, request.headers, request.path),
        at=at,
        around=live.surroundings(notes.client.site),
        reference=notes.reference,
        proceed=proceed,
        refused=refused,
        method=request.method,
        review=None if refused else offer_review(live.secret, verdict, notes.client, url, str(notes.reference), at),
        answered=live.answers.told(notes.client, url, at),
    )
    put(flow, page if status is None else replace(page, status=status))


def put(flow: http.HTTPFlow, page: Page) -> None:
    """Make a page the answer."""
    flow.request.stream = False
    flow.request.headers.pop("expect", None)
    headers = http.Headers([(name.encode("ascii"), value.encode("ascii", "replace")) for name, value in page.headers])
    flow.response = http.Response.make(page.status, page.body, headers)


def sign_in_needed(flow: http.HTTPFlow, realm: str) -> None:
    """Ask for proxy sign-in (RFC 9110 §11.7.1)."""
    clean = "".join(letter for letter in realm if letter.isprintable() and letter.isascii() and letter not in '"\\')
    flow.request.stream = False
    flow.request.headers.pop("expect", None)
    flow.response = http.Response.make(
        407,
        "Sign in to use the school's internet.\n",
        {
            "proxy-authenticate": f'Basic realm="{clean}", charset="UTF-8"',
            "content-type": "text/plain; charset=utf-8",
            "cache-control": "no-store",
        },
    )


def failure_verdict(
    live: Live, why: str = "Something went wrong in the filter, so nothing was let through."
) -> Verdict:
    """The verdict when we failed: closed."""
    return Verdict(action=Action.BLOCK, reason=Reason.FAILURE, because=why, revision=live.engine.revision)


def plain(flow: http.HTTPFlow, status: int, text: str) -> http.Response:
    """A page that needs nothing that could fail."""
    flow.request.stream = False
    flow.request.headers.pop("expect", None)
    headers = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    return http.Response.make(status, text + "\n", headers)


def too_much(flow: http.HTTPFlow, text: str) -> http.Response:
    """The answer to a client that asks for too much at once (RFC 6585 §4): no page, which would cost more to make."""
    response = plain(flow, 429, text)
    response.headers["retry-after"] = "1"
    return response


def refuse(live: Live, flow: http.HTTPFlow, notes: FlowNotes, reason: Reason, because: str) -> None:
    """Answer with a refusal of our own; the page itself must never be why something passes."""
    verdict = Verdict(action=Action.BLOCK, reason=reason, because=because, revision=live.engine.revision)
    try:
        answer(live, flow, notes, verdict)
    except Exception:
        flow.response = plain(flow, 503, because)
