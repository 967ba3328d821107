"""What somebody reads after asking for a review: what became of it and who reads in, a page out. Pure."""

from __future__ import annotations

import enum

from markupsafe import Markup

from addons.pageevidence import Surroundings
from addons.pagereaders import Audience
from addons.pages import STYLE, TEMPLATES_BY_NAME, Page, page_policy
from addons.pagewords import notice_for


class Filed(enum.StrEnum):
    """What became of a request for a review."""

    SENT = "sent"
    """It is on its way to the people who decide."""
    EMPTY = "empty"
    """It gave no reason."""
    OFTEN = "often"
    """This client asked too often."""
    VOID = "void"
    """Not a form of ours, too old, or somebody else's."""
    FULL = "full"
    """It could not be written down."""


_WORDS = {
    Filed.SENT: (
        "Thank you",
        "Your question is on its way to the people who look after the filter.",
        "When it is decided, you see the answer when you open that page again.",
    ),
    Filed.EMPTY: ("A reason is missing", "Say in a few words why you need the page.", "Go back and write it down."),
    Filed.OFTEN: ("That was often", "You asked a few times already.", "Wait ten minutes, or ask a member of staff."),
    Filed.VOID: ("This form is too old", "Nothing was sent.", "Open the page again and ask from there."),
    Filed.FULL: ("This did not work", "Your question could not be written down.", "Please tell a member of staff."),
}
_STATUS = {Filed.SENT: 200, Filed.EMPTY: 400, Filed.OFTEN: 429, Filed.VOID: 403, Filed.FULL: 503}


def review_page(filed: Filed, audience: Audience, around: Surroundings) -> Page:
    """The page after the form."""
    heading, lead, step = _WORDS[filed]
    text = TEMPLATES_BY_NAME.get_template("review.html").render(
        heading=heading,
        lead=lead,
        step=step,
        audience=audience.value,
        notice=notice_for(audience),
        school=around.school,
        contact=around.contact,
        style=Markup(STYLE),  # noqa: S704 - ours
    )
    headers = (
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", "en-GB"),
        ("Content-Security-Policy", page_policy(framed=False, offered=False)),
        ("X-Frame-Options", "DENY"),
    )
    return Page(_STATUS[filed], headers, text.encode())
