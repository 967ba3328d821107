"""Decides: at CONNECT, at the ClientHello, and when the request head is complete.

One call down to the engine a stage, and its verdict becomes the host's answer. Any exception blocks, reason *failure*
(design §3 row 6). A CONNECT to a blocked host is still opened towards the client, so that the block page can be read
inside TLS; the origin is never contacted before a request inside is allowed.
"""

from __future__ import annotations

import logging
import time

from mitmproxy import http
from mitmproxy.tls import ClientHelloData

from addons.answers import answer, failure_verdict, plain, sign_in_needed, too_much
from addons.asking import Asked, TooLong, Unreadable, looks_like_page, read_connect, read_request
from addons.flownotes import FlowNotes, connection_notes, flow_notes
from addons.guard import guard_verdict, is_literal, too_many_requests
from addons.handoutdesk import RULE, HandoutDesk
from addons.holding import CUT
from addons.httplayers import TOO_LARGE
from addons.live import Live
from addons.reviewdesk import ReviewDesk
from addons.silence import was_silent
from addons.warnings import Warnings
from categories.names import NameProblem, canonical_host, make_url
from policy.client import Client
from policy.model import Action, Reason, Request, Signal, Stage, Verdict

logger = logging.getLogger(__name__)

REFUSALS = {
    "disabled": "This account may not use the internet at the moment.",
    "suspended": "This account may not use the internet at the moment.",
    "consent": "Internet use has not been agreed for this account yet. Please speak to the school office.",
    "sign-in": "Sign in to use the school's internet.",
}
UNREACHED = "This site could not be reached."
SILENCE = "This site did not answer in time."


class Filter:
    """Asks the engine and puts its verdict on the flow."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.warnings = Warnings(live)
        self.reviews = ReviewDesk(live)
        self.handout = HandoutDesk(live)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Decide on a host. Only sign-in, odd ports and what cannot be TLS are refused here."""
        notes = flow_notes(flow)
        connection = connection_notes(flow.client_conn)
        try:
            self._connect(flow, notes)
        except Unreadable as problem:
            notes.verdict = self._unreadable(problem)
            flow.response = plain(flow, 400, notes.verdict.because)
        except Exception:
            notes.verdict = self._failed("http_connect")
            flow.response = plain(flow, 503, notes.verdict.because)
        connection.connect_verdict = notes.verdict
        if flow.response is not None:
            connection.connect = connection.connect_verdict = None  # no tunnel: what follows is an ordinary request
            if notes.verdict is not None:
                self._count(notes.client, notes.verdict)

    def _connect(self, flow: http.HTTPFlow, notes: FlowNotes) -> None:
        connection = connection_notes(flow.client_conn)
        over = too_many_requests(self.live, connection.address, Stage.CONNECT)  # what cannot be read counts, too
        notes.url = connection.connect = url = read_connect(flow)
        notes.verdict = over
        if notes.verdict is not None:
            flow.response = too_much(flow, notes.verdict.because)
            return
        notes.verdict = self._refusal(connection.identity.refused if connection.identity else None, Stage.CONNECT)
        if notes.verdict is not None and connection.identity is not None and connection.identity.refused == "sign-in":
            sign_in_needed(flow, self.live.realm)
            return
        if notes.verdict is None:
            notes.verdict = self.handout.verdict(url.host, Stage.CONNECT)
            if notes.verdict is not None:
                return
            notes.verdict = guard_verdict(self.live, url, connect=True)
        if notes.verdict is not None:
            if notes.verdict.rule == "guard:odd-port":
                flow.response = plain(flow, 403, notes.verdict.because)
            return
        signals = frozenset({Signal.IP_LITERAL} if url.is_address else ())
        notes.verdict = self._decide(Request(url, Stage.CONNECT, "CONNECT", signals=signals), notes.client)

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """Decide whether to decrypt, and whether the origin may be spoken to before a request is known."""
        connection = connection_notes(data.context.client)
        data.establish_server_tls_first = False
        try:
            self._hello(data)
        except Exception:
            data.ignore_connection = False
            data.establish_server_tls_first = False
            connection.connect_verdict = self._failed("tls_clienthello")

    def _hello(self, data: ClientHelloData) -> None:
        connection = connection_notes(data.context.client)
        connect = connection.connect
        if connect is None:
            return  # TLS to the proxy itself
        name = data.client_hello.sni
        if name is None:
            if not connect.is_address:
                connection.signals.add(Signal.NO_SNI)
        else:
            try:
                host = canonical_host(name)
            except NameProblem:
                connection.signals.add(Signal.NO_SNI)
                host = connect.host
            if is_literal(host):  # an address is no server name (RFC 6066 §3)
                name = None
            data.context.client.sni = host  # the host trips over trailing dots and odd labels
            if host != connect.host:
                connection.sni = make_url("https", host, connect.port, "/")
        verdict = connection.connect_verdict
        plainly = not connection.signals and connection.sni is None and name is not None
        if verdict is None or not plainly:
            return
        if verdict.action is Action.BYPASS:
            data.ignore_connection = True
            self._count(connection.client, verdict)
        elif verdict.action is Action.ALLOW and verdict.rule != RULE:
            data.establish_server_tls_first = True

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide on a request."""
        notes = flow_notes(flow)
        connection = connection_notes(flow.client_conn)
        connection.requests += 1
        if flow.response is not None:
            return
        if flow.error is not None:  # the host found it malformed: it is answered with 400 and goes nowhere
            notes.verdict = self._unreadable(Unreadable("the request is malformed"))
            return
        try:
            self._request(flow, notes)
        except Unreadable as problem:
            notes.verdict = self._unreadable(problem)
            flow.response = plain(flow, 414 if isinstance(problem, TooLong) else 400, notes.verdict.because)
        except Exception:
            notes.verdict = self._failed("requestheaders")
            flow.response = plain(flow, 503, notes.verdict.because)
        if notes.verdict is not None:
            self._count(notes.client, notes.verdict)
            self.live.metrics.added_latency_seconds.observe(time.perf_counter() - notes.started)

    def request(self, flow: http.HTTPFlow) -> None:
        """Answer a form that waited for its body."""
        self.reviews.request(flow)

    def _request(self, flow: http.HTTPFlow, notes: FlowNotes) -> None:
        connection = connection_notes(flow.client_conn)
        over = too_many_requests(self.live, connection.address, Stage.REQUEST)
        asked = read_request(flow, connection)
        notes.url = asked.url
        notes.verdict = over
        if notes.verdict is not None:
            flow.response = too_much(flow, notes.verdict.because)
            return
        notes.page = looks_like_page(flow.request)
        if self.handout.begins(flow, notes):
            return
        refused = connection.identity.refused if connection.identity else None
        verdict = self._refusal(refused, Stage.REQUEST)
        if verdict is not None and refused == "sign-in" and connection.connect is None:
            notes.verdict = verdict
            sign_in_needed(flow, self.live.realm)
            return
        if verdict is None:
            verdict = guard_verdict(self.live, asked.url, connect=False) or self._too_large(flow)
        if verdict is None and (self.reviews.begins(flow, notes) or self.warnings.pressed(flow, notes)):
            return
        if verdict is None:
            notes.asked = Request(asked.url, Stage.REQUEST, flow.request.method, asked.claims, None, asked.signals)
            verdict = self._decide(notes.asked, notes.client)
            notes.note = remarks(asked)
        notes.verdict = verdict
        if verdict.action is Action.WARN:
            self.warnings.answer(flow, notes)
        elif verdict.blocked:
            answer(self.live, flow, notes, verdict, refused=refused)

    def _decide(self, request: Request, client: Client) -> Verdict:
        engine = self.live.engine
        began = time.perf_counter()
        verdict = engine.decide(request, client, self.live.now())
        self.live.metrics.decision_seconds.observe(time.perf_counter() - began)
        return verdict

    def _refusal(self, refused: str | None, stage: Stage) -> Verdict | None:
        if refused is None:
            return None
        because = REFUSALS.get(refused, REFUSALS["disabled"])
        return Verdict(
            action=Action.BLOCK,
            reason=Reason.IDENTITY,
            because=because,
            rule=f"identity:{refused}",
            stage=stage,
            revision=self.live.engine.revision,
        )

    def _too_large(self, flow: http.HTTPFlow) -> Verdict | None:
        declared = flow.request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) <= self.live.upload_limit:
            return None
        return upload_verdict(self.live)

    def _unreadable(self, problem: Unreadable) -> Verdict:
        return Verdict(
            action=Action.BLOCK,
            reason=Reason.GUARD,
            because=f"This is not an address the gateway can read: {problem}."[:300],
            rule="guard:address",
            revision=self.live.engine.revision,
        )

    def _failed(self, hook: str) -> Verdict:
        logger.exception("deciding failed in %s; refused", hook)
        self.live.metrics.hook_failures.labels(hook).inc()
        return failure_verdict(self.live)

    def _count(self, client: Client, verdict: Verdict) -> None:
        self.live.metrics.count_request(str(verdict.action), str(client.band), str(verdict.reason))

    def error(self, flow: http.HTTPFlow) -> None:
        """The origin failed: say so in our words. The client's leaving needs no page."""
        notes = flow_notes(flow)
        if flow.error is None or flow.response is not None or notes.url is None or client_left(flow):
            return
        try:
            silent = was_silent(flow)
            verdict = error_verdict(flow.error.msg, self.live, SILENCE if silent else UNREACHED)
            if verdict is not None:
                answer(self.live, flow, notes, verdict, status=504 if silent else None)
        except Exception:
            self._failed("error")
            flow.response = plain(flow, 502, UNREACHED)


def remarks(asked: Asked) -> str | None:
    """What the record must say besides the URL: signals, and every other host the request went by."""
    if not asked.claims and not asked.signals:
        return None
    others = dict.fromkeys(claim.host for claim in asked.claims if claim.host != asked.url.host)
    return ",".join([*sorted(asked.signals), *(f"also:{host}" for host in list(others)[:4])]) or None


def spoken(message: str) -> str:
    """What the host says in an error message, in small letters; without what it quotes of a site's answer there."""
    return message.lower().partition("http response: ")[0].partition("unexpected server response: ")[0]


def client_left(flow: http.HTTPFlow) -> bool:
    """Whether the exchange failed because the client went away: nobody is there to read a page."""
    message = spoken(flow.error.msg) if flow.error else ""
    if "client disconnect" in message or "killed by" in message:
        return True
    return "peer closed connection" in message and flow.request.timestamp_end is None  # in the middle of its body


def upload_verdict(live: Live) -> Verdict:
    """The refusal of an upload that is too large."""
    return Verdict(
        action=Action.BLOCK,
        reason=Reason.GUARD,
        because="This upload is larger than the school allows.",
        rule="guard:upload-size",
        revision=live.engine.revision,
    )


def error_verdict(message: str, live: Live, unreached: str = UNREACHED) -> Verdict | None:
    """The page's verdict for an error message of the host; None when nobody is there to read it. `unreached` is what it
    says of a site that failed in no way it knows."""
    lowered = spoken(message)
    if "client disconnect" in lowered or "killed by" in lowered or message == CUT:
        return None
    if message == TOO_LARGE:
        return upload_verdict(live)
    if "certificate" in lowered:
        reason, because = Reason.CERTIFICATE, "This site could not prove that it is what it says it is."
    elif "refused:" in lowered:
        reason, because = Reason.GUARD, "The gateway never connects to this address."
    else:
        reason, because = Reason.UPSTREAM, unreached
    return Verdict(action=Action.BLOCK, reason=reason, because=because, revision=live.engine.revision)
