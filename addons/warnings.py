"""Warn pages and going on past them: the host's side of `addons.proceed`.

A `warn` verdict is answered with a page whose button posts a signed token back through the proxy; a good token is a
grant, and the next request passes with the rule still named in its record.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from mitmproxy import http

from addons.answers import answer, put
from addons.flownotes import FlowNotes
from addons.live import Live
from addons.pages import moved
from addons.proceed import PATH, after_grant, check, offer, scope_of
from policy.model import Action, Reason, Verdict

CONTINUED = "warn-continued"
"""Note in the record of a request that passed because somebody went on."""

_PATH = PATH.encode()


class Warnings:
    """Answers `warn` verdicts."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def answer(self, flow: http.HTTPFlow, notes: FlowNotes) -> None:
        """Let it pass when this client went on before; else show the warning."""
        verdict, url = notes.verdict, notes.url
        if verdict is None or url is None:
            return
        at = self.live.now()
        if self.live.grants.holds(notes.client, scope_of(verdict, url), at):
            notes.verdict = after_grant(verdict, held=True)
            notes.note = CONTINUED
            return
        back = flow.request.path if flow.request.method == "GET" else "/"
        button = offer(self.live.secret, verdict, notes.client, url, at, back=back)
        answer(self.live, flow, notes, verdict, proceed=button)

    def pressed(self, flow: http.HTTPFlow, notes: FlowNotes) -> bool:
        """Take the button's token. True when the request was to the reserved path: it ends here on every host."""
        url = notes.url
        if url is None or _PATH not in flow.request.data.path or urlsplit(flow.request.path).path != PATH:
            return False
        at = self.live.now()
        notes.verdict = Verdict(
            action=Action.BLOCK,
            reason=Reason.GUARD,
            because="This address belongs to the school's gateway.",
            rule="guard:continue",
            revision=self.live.engine.revision,
        )
        pressed = check(
            self.live.secret,
            method=flow.request.method,
            query=urlsplit(flow.request.path).query,
            client=notes.client,
            url=url,
            at=at,
            fetch_site=flow.request.headers.get("sec-fetch-site"),
        )
        if pressed.scope is None:
            notes.note = f"warn-{pressed.refused}"
            put(flow, moved(pressed.back))  # the page warns again, with a fresh button
            return True
        self.live.grants.grant(notes.client, pressed.scope, at)
        notes.note = CONTINUED
        facts = {"user": notes.client.user, "address": notes.client.address, "website": pressed.scope.website}
        self.live.spool.fact(CONTINUED, {**facts, "rule": pressed.scope.rule, "at": at.isoformat()})
        put(flow, moved(pressed.back))
        # Nobody was stopped here; said only once the answer stands, so that a fault before it stays a refusal.
        notes.verdict = notes.verdict._replace(action=Action.ALLOW, because="Somebody read a warning and goes on.")
        return True
