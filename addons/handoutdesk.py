"""Answers requests to the name under which the certificate is handed out: the host's side of `addons.handout`.

A device without the certificate can read plain HTTP only, and nobody can sign in on one that shows nothing but errors:
so the page answers before sign-in and before any rule, on a name that leads nowhere else. Every request leaves a row.
"""

from __future__ import annotations

from mitmproxy import http

from addons.answers import plain, put
from addons.flownotes import FlowNotes
from addons.handout import file, page
from addons.live import Live
from addons.pages import Page
from policy.model import Action, Reason, Stage, Verdict

RULE = "guard:certificate"
"""Rule of the rows these requests leave."""


class HandoutDesk:
    """Answers requests to the reserved name."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def verdict(self, host: str, stage: Stage) -> Verdict | None:
        """That a request is to the reserved name; None for every other."""
        if host != self.live.handout.host or not host:
            return None
        because = "This is the gateway's own page, with the certificate that devices must trust."
        return Verdict(Action.ALLOW, Reason.GUARD, because, rule=RULE, stage=stage, revision=self.live.engine.revision)

    def begins(self, flow: http.HTTPFlow, notes: FlowNotes) -> bool:
        """True when the request is to the reserved name: it ends here. What fails, fails before there is a verdict."""
        verdict = None if notes.url is None else self.verdict(notes.url.host, Stage.REQUEST)
        if verdict is None or notes.url is None:
            return False
        self._answer(flow, notes.url.path)
        notes.verdict = verdict
        return True

    def _answer(self, flow: http.HTTPFlow, path: str) -> None:
        method = flow.request.method
        if method not in {"GET", "HEAD"}:
            flow.response = plain(flow, 405, "Only GET is answered here.")
            flow.response.headers["allow"] = "GET, HEAD"
            return
        certificates = self.live.handout.certificates()
        if path == "/":
            put(flow, _shorter(page(certificates, self.live.surroundings(None)), method))
            return
        which, _, kind = path[1:].rpartition("/")
        certificate = certificates.get(which)
        device = None if certificate is None else certificate.devices.get(kind)
        if device is None:
            flow.response = plain(flow, 404, f"There is no such file. See http://{self.live.handout.host}/")
            return
        put(flow, _shorter(file(device), method))


def _shorter(page: Page, method: str) -> Page:
    return Page(page.status, page.headers, b"") if method == "HEAD" else page
