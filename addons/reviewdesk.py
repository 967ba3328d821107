"""Takes the forms of block pages: the host's side of `addons.review`.

A form has a body, so its answer waits for that: at the head the request is refused like everything to the reserved
path, but not answered; when its body is there it is filed as a fact in the spool, and answered. Between the two the
gatekeeper stops whatever has no answer, so that nothing of it ever reaches an origin.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from mitmproxy import http

from addons.answers import plain, put
from addons.flownotes import FlowNotes, flow_notes
from addons.live import Live
from addons.pagereaders import audience_of
from addons.pages import Page
from addons.review import KIND, LONGEST_BODY, PATH, Patience, fact, opened, reason_in, token_in
from addons.reviewpage import Filed, review_page
from logstore.spool import SpoolFull
from policy.model import Action, Reason, Verdict

logger = logging.getLogger(__name__)

_PATH = PATH.encode()


class ReviewDesk:
    """Answers requests to `PATH`."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._patience = Patience()

    def begins(self, flow: http.HTTPFlow, notes: FlowNotes) -> bool:
        """True when the request is to the reserved path: it ends here on every host."""
        if notes.url is None or _PATH not in flow.request.data.path or urlsplit(flow.request.path).path != PATH:
            return False
        notes.verdict = Verdict(
            action=Action.BLOCK,
            reason=Reason.GUARD,
            because="This address belongs to the school's gateway.",
            rule="guard:review",
            revision=self.live.engine.revision,
        )
        headers = flow.request.headers
        length = headers.get("content-length", "")
        readable = length.isdecimal() and int(length) <= LONGEST_BODY and "transfer-encoding" not in headers
        foreign = headers.get("sec-fetch-site") not in (None, "same-origin")
        if flow.request.method != "POST" or not readable or foreign:
            put(flow, self._page(notes, Filed.VOID))
            return True
        notes.awaits_body = True
        return True

    def request(self, flow: http.HTTPFlow) -> None:
        """The form is complete: file it."""
        notes = flow_notes(flow)
        if not notes.awaits_body or flow.response is not None:
            return
        try:
            filed = self._file(flow, notes)
            notes.note = f"review-{filed.value}"
            put(flow, self._page(notes, filed))
        except Exception:
            logger.exception("a request for a review could not be filed")
            self.live.metrics.hook_failures.labels("reviewdesk").inc()
            flow.response = plain(flow, 503, "This could not be sent. Please tell a member of staff.")

    def _file(self, flow: http.HTTPFlow, notes: FlowNotes) -> Filed:
        at = self.live.now()
        token = token_in(urlsplit(flow.request.path).query)
        blocked = opened(self.live.secret, token, notes.client, at)
        if blocked is None:
            return Filed.VOID
        why = reason_in(flow.request.raw_content or b"")
        if not why:
            return Filed.EMPTY
        if not self._patience.take(notes.client, at):
            return Filed.OFTEN
        try:
            self.live.spool.fact(KIND, fact(token, blocked, notes.client, why, at))
        except SpoolFull:
            return Filed.FULL
        return Filed.SENT

    def _page(self, notes: FlowNotes, filed: Filed) -> Page:
        return review_page(filed, audience_of(notes.client.band), self.live.surroundings(notes.client.site))
