"""Who reads our page and what happened to them: a band and a verdict in, two words out. Pure."""

from __future__ import annotations

import enum

from policy.client import Band
from policy.locked import CLOSED_ROW
from policy.model import Action, Reason, Verdict


class Audience(enum.StrEnum):
    """Who reads the page."""

    YOUNG = "young"
    """Early years and key stage 1: a grown-up reads it out, or nearly."""
    JUNIOR = "junior"
    """Key stage 2."""
    OLDER = "older"
    """Key stages 3 to 5."""
    STAFF = "staff"
    """Adults who work here: they see the evidence."""
    GUEST = "guest"
    """Visitors."""


class Occasion(enum.StrEnum):
    """What happened, as far as the reader is concerned."""

    BLOCK = "block"
    """The rules do not open this."""
    CARE = "care"
    """Blocked, and the subject is one where help matters more than the rule."""
    WARN = "warn"
    """Think first, then go on."""
    STATUTORY = "statutory"
    """Suspected illegal content."""
    SIGN_IN = "sign-in"
    """Nobody has signed in."""
    SUSPENDED = "suspended"
    """This account may not browse now."""
    CONSENT = "consent"
    """A form at home or school is missing."""
    CERTIFICATE = "certificate"
    """The website could not prove that it is what it says."""
    UNREACHABLE = "unreachable"
    """The website did not answer."""
    UNRECORDED = "unrecorded"
    """The gateway cannot record, so it does not let through."""
    GUARD = "guard"
    """A place or form of request the gateway never serves."""
    CLOSED = "closed"
    """The school wants no service while its lists of illegal content are missing."""
    FAILURE = "failure"
    """Our own fault."""


CARE_CATEGORIES = frozenset(
    {
        *("self-harm", "suicide-promotion", "eating-disorders", "bullying"),
        *("sexual-exploitation", "coercive-behaviour", "intimate-image-abuse"),
    }
)
"""Subjects after which a pupil's page offers help first (L-14, G-06)."""

TROUBLE = frozenset(
    {
        *(Occasion.CERTIFICATE, Occasion.UNREACHABLE, Occasion.UNRECORDED),
        *(Occasion.GUARD, Occasion.CLOSED, Occasion.FAILURE),
    }
)
"""Nothing the reader did and nothing the policy decided."""

_BANDS = {
    Band.EYFS: Audience.YOUNG,
    Band.KS1: Audience.YOUNG,
    Band.KS2: Audience.JUNIOR,
    Band.STAFF: Audience.STAFF,
    Band.GUEST: Audience.GUEST,
}

_REASONS = {
    Reason.STATUTORY: Occasion.STATUTORY,
    Reason.CERTIFICATE: Occasion.CERTIFICATE,
    Reason.UPSTREAM: Occasion.UNREACHABLE,
    Reason.RECORD: Occasion.UNRECORDED,
    Reason.GUARD: Occasion.GUARD,
    Reason.FAILURE: Occasion.FAILURE,
}

_REFUSED = {"disabled": Occasion.SUSPENDED, "consent": Occasion.CONSENT, "sign-in": Occasion.SIGN_IN}


def audience_of(band: Band) -> Audience:
    """Who reads a page shown to this band."""
    return _BANDS.get(band, Audience.OLDER)


def occasion_of(verdict: Verdict, refused: str | None, audience: Audience) -> Occasion:
    """What happened. `refused` is why this person may not browse (`identity.model.Identity.refused`)."""
    if verdict.reason is Reason.IDENTITY:
        return _REFUSED.get(refused or "", Occasion.SUSPENDED)
    named = Occasion.CLOSED if verdict.rule == CLOSED_ROW else _REASONS.get(verdict.reason)
    if named in TROUBLE:
        return named
    if audience in _PUPILS and not CARE_CATEGORIES.isdisjoint((verdict.category or "", *verdict.categories)):
        return Occasion.WARN if verdict.action is Action.WARN else Occasion.CARE
    return named or (Occasion.WARN if verdict.action is Action.WARN else Occasion.BLOCK)


_PUPILS = (Audience.JUNIOR, Audience.OLDER)
"""Young children get help by way of a grown-up."""
