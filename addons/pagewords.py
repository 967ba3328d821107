"""The words of our pages: who reads and what happened in, heading, sentences and help out.

Young children get short words, nothing frightening and "tell a grown-up"; older pupils a reason and somewhere to turn;
staff what they need to act. No page claims that the filter catches everything (A-23), every page says that use is
filtered and recorded (B-27, D-35), and no page blames the reader (L-14). Pure tables, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from addons.pagereaders import TROUBLE, Audience, Occasion
from policy.model import Reason, Verdict


@dataclass(frozen=True, slots=True)
class Words:
    """One page's sentences. `{minutes}` may stand in `steps`."""

    heading: str
    """The one heading."""
    lead: str
    """What happened, in a sentence or two."""
    steps: tuple[str, ...] = ()
    """What to do."""


@dataclass(frozen=True, slots=True)
class Help:
    """Somewhere to turn. Every address is in a list of category `help`, which is never blocked (B-53)."""

    name: str
    """Name."""
    what: str
    """What it is, in the reader's words."""
    url: str = ""
    """Address; empty when there is only a telephone."""
    phone: str = ""
    """Telephone number."""


def words_for(occasion: Occasion, audience: Audience) -> Words:
    """The sentences for this reader; the nearest ones where a reader has none of their own."""
    for reader in _NEAREST[audience]:
        if words := _WORDS.get((occasion, reader)):
            return words
    return _WORDS[Occasion.FAILURE, Audience.OLDER]


def why_for(verdict: Verdict, audience: Audience) -> str:
    """One more sentence about the reason, for pupils and guests; staff get the evidence instead."""
    if audience in (Audience.YOUNG, Audience.STAFF):
        return ""
    return _WHY.get(verdict.reason, "")


def help_for(occasion: Occasion, audience: Audience) -> tuple[Help, ...]:
    """Where to turn. Trouble on our side needs no help line, but a child's page keeps it."""
    if audience in (Audience.STAFF, Audience.GUEST):
        return _STATUTORY_HELP if occasion is Occasion.STATUTORY else ()
    if occasion in TROUBLE and audience is Audience.OLDER:
        return ()
    return _HELP[audience]


def notice_for(audience: Audience) -> str:
    """That use is filtered and recorded, who may see it, and that no filter is complete."""
    return _NOTICE[audience]


_NEAREST = {
    Audience.YOUNG: (Audience.YOUNG, Audience.JUNIOR, Audience.OLDER),
    Audience.JUNIOR: (Audience.JUNIOR, Audience.YOUNG, Audience.OLDER),
    Audience.OLDER: (Audience.OLDER,),
    Audience.STAFF: (Audience.STAFF, Audience.OLDER),
    Audience.GUEST: (Audience.GUEST, Audience.OLDER),
}

_WHY = {
    Reason.DEFAULT: "This website is not one of those that are open to you.",
    Reason.SEARCH: "It is about the words that were searched for. Other words may find what you need.",
    Reason.CIRCUMVENTION: "It looks like a way round the school’s filter. Those stay closed for everyone.",
    Reason.CONTENT: "It is about what is on this page, not the whole website.",
    Reason.OVERRIDE: "A member of staff has closed it for now.",
}

_NOTICE = {
    Audience.YOUNG: "Grown-ups at school can see which pages you open. "
    "The filter helps, but it does not catch everything. If a page makes you feel funny or sad, tell a grown-up.",
    Audience.JUNIOR: "School checks and keeps a note of the pages you open, and grown-ups can look at it. "
    "No filter catches everything. If something upsets you, tell a grown-up you trust.",
    Audience.OLDER: "Internet use here is filtered and recorded, with the name of whoever is signed in. "
    "No filter is complete: if you see something wrong or upsetting, tell a member of staff.",
    Audience.STAFF: "All internet use here is filtered, logged automatically and traceable to the individual. "
    "No filter is complete; the duty of care stays with the adults in the room.",
    Audience.GUEST: "Internet use on this network is filtered and recorded. No filter is complete.",
}

_CHILDLINE = Help(
    "Childline", "Talk to someone about anything. It is free and private.", "https://www.childline.org.uk/", "0800 1111"
)
_HELP = {
    Audience.YOUNG: (
        Help("Thinkuknow", "Games and stories about being safe online.", "https://www.thinkuknow.co.uk/"),
    ),
    Audience.JUNIOR: (
        _CHILDLINE,
        Help("Thinkuknow", "How to be safe online, and what to do when you are not.", "https://www.thinkuknow.co.uk/"),
    ),
    Audience.OLDER: (
        _CHILDLINE,
        Help("Samaritans", "Someone to talk to, day and night.", "https://www.samaritans.org/", "116 123"),
        Help("CEOP", "Report someone who is worrying you online.", "https://www.ceop.police.uk/"),
    ),
}
_STATUTORY_HELP = (
    Help(
        "Stop It Now",
        "Confidential help for anyone worried about their own or another person’s behaviour.",
        "https://www.stopitnow.org.uk/",
        "0808 1000 900",
    ),
)

_WORDS: dict[tuple[Occasion, Audience], Words] = {
    (Occasion.BLOCK, Audience.YOUNG): Words(
        "Let’s stop here",
        "This page is not open at school.",
        ("You have not done anything wrong.", "Go back and pick something else.", "Ask a grown-up if you need help."),
    ),
    (Occasion.BLOCK, Audience.JUNIOR): Words(
        "This page is not open right now",
        "The school’s filter stopped it. You are not in trouble.",
        (
            "Go back and try another page.",
            "If you need it for your work, ask your teacher and show them the number below.",
            "If something worried you, tell a grown-up you trust.",
        ),
    ),
    (Occasion.BLOCK, Audience.OLDER): Words(
        "This page is blocked",
        "The school’s rules do not open it for you here and now.",
        (
            "If you need it for your work, ask a member of staff for a review and give them the reference below.",
            "If you did not mean to come here, just go back. A blocked page is not an accusation.",
        ),
    ),
    (Occasion.BLOCK, Audience.STAFF): Words(
        "This page is blocked",
        "The policy in force does not open it for you now. The evidence is below.",
        (
            "If the page is needed or wrongly classified, report it to ICT support with the reference below.",
            "Please do not look for a way round: a review is quick, and protects you.",
        ),
    ),
    (Occasion.BLOCK, Audience.GUEST): Words(
        "This page is blocked",
        "It is not available on this school’s network.",
        ("If you need it for your visit, ask the person you are visiting and quote the reference below.",),
    ),
    (Occasion.CARE, Audience.JUNIOR): Words(
        "This page is closed, but help is open",
        "Lots of children have worries that feel too big. You are not in trouble, and you do not have to manage alone.",
        (
            "Talk to a grown-up you trust: at home, or any adult at school.",
            "You can ring Childline for free. They listen, whatever it is about.",
        ),
    ),
    (Occasion.CARE, Audience.OLDER): Words(
        "This page is closed, but help is open",
        "If this is about something you or a friend are going through, you are not in trouble and you are not alone.",
        (
            "Talk to someone you trust: a teacher, a tutor, the safeguarding lead, someone at home.",
            "Or to someone who does not know you: the people below are there day and night.",
            "In an emergency, ring 999.",
            "If it is for school work, ask a member of staff and give them the reference below.",
        ),
    ),
    (Occasion.WARN, Audience.YOUNG): Words(
        "Stop and think",
        "Ask a grown-up before you open this page.",
        ("Show this page to a grown-up.",),
    ),
    (Occasion.WARN, Audience.JUNIOR): Words(
        "Stop and think",
        "Do you need this page for your work?",
        ("If you are not sure, ask your teacher.", "You can go on for {minutes} minutes. School keeps a note of it."),
    ),
    (Occasion.WARN, Audience.OLDER): Words(
        "Think before you go on",
        "The school asks you to stop and think before you open this.",
        (
            "Is it what you need, and is this the right time?",
            "You can go on for {minutes} minutes. That you went on is recorded.",
        ),
    ),
    (Occasion.WARN, Audience.STAFF): Words(
        "Think before you go on",
        "The policy asks for a moment’s thought before this page. The evidence is below.",
        (
            "Go on if you need it for your work, and mind who can see your screen.",
            "It will stay open to you for {minutes} minutes. That you went on is recorded.",
        ),
    ),
    (Occasion.STATUTORY, Audience.STAFF): Words(
        "Stop: suspected illegal content",
        "The gateway stopped a request because its address is on a list of suspected illegal content. "
        "Nothing of it was loaded.",
        (
            "Do not try the address again, on any device. Nobody checks by opening it.",
            "Do not investigate, search, copy, print, photograph or send anything.",
            "Do not close or clear anything. Turn the screen away from pupils.",
            "Tell the head, or the designated safeguarding lead, at once: in person or by telephone, "
            "with the reference below.",
            "Switch the machine off at the power, and keep it where nobody can use it until you are told otherwise.",
        ),
    ),
    (Occasion.STATUTORY, Audience.YOUNG): Words(
        "Let’s stop here", "This page is not open.", ("You are not in trouble.", "Tell a grown-up now, please.")
    ),
    (Occasion.STATUTORY, Audience.JUNIOR): Words(
        "Let’s stop here",
        "This page is not open to anyone. You are not in trouble.",
        ("Please do not try it again.", "Tell a grown-up you trust now, and show them this page."),
    ),
    (Occasion.STATUTORY, Audience.OLDER): Words(
        "This page is closed to everyone",
        "Its address is on a list of content that may be against the law. Nothing of it was loaded.",
        (
            "Do not try it again and do not send it to anyone.",
            "If you came here by accident, or somebody sent you the link, tell a member of staff now. "
            "Telling is the right thing to do.",
        ),
    ),
    (Occasion.SIGN_IN, Audience.YOUNG): Words(
        "Who is there?", "This computer does not know you yet.", ("Ask a grown-up to sign you in.",)
    ),
    (Occasion.SIGN_IN, Audience.OLDER): Words(
        "Please sign in",
        "The internet here is for people who have signed in with their school account.",
        ("Close this window, open it again and sign in when you are asked.", "If that does not work, ask ICT support."),
    ),
    (Occasion.SUSPENDED, Audience.YOUNG): Words(
        "The internet is closed for you just now",
        "A grown-up at school can tell you more.",
        ("Ask your teacher.",),
    ),
    (Occasion.SUSPENDED, Audience.OLDER): Words(
        "The internet is closed for this account",
        "This account may not use the internet at the moment. Pages that offer help stay open.",
        ("Ask your tutor, or whoever looks after your account, what happens next.",),
    ),
    (Occasion.SUSPENDED, Audience.STAFF): Words(
        "The internet is closed for this account",
        "This account may not use the internet at the moment.",
        ("Ask your line manager or ICT support, and quote the reference below.",),
    ),
    (Occasion.CONSENT, Audience.YOUNG): Words(
        "The internet is not open for you yet",
        "A form is still missing. It is not your job to fix it.",
        ("Ask your teacher.",),
    ),
    (Occasion.CONSENT, Audience.OLDER): Words(
        "The internet is not open for you yet",
        "The form that allows you to use it has not come back to school.",
        ("Ask your tutor or the school office for the form.",),
    ),
    (Occasion.CERTIFICATE, Audience.YOUNG): Words(
        "This page is not ready", "The computer is not sure it is the right page.", ("Tell a grown-up.",)
    ),
    (Occasion.CERTIFICATE, Audience.OLDER): Words(
        "This website could not prove who it is",
        "Its certificate is wrong or out of date, so somebody might be pretending to be it. Nothing was sent to it.",
        (
            "Do not try to get there another way.",
            "If it keeps happening, tell ICT support and give the reference below.",
        ),
    ),
    (Occasion.UNREACHABLE, Audience.YOUNG): Words(
        "This page is asleep", "It did not answer.", ("Try again in a little while.", "Or pick something else.")
    ),
    (Occasion.UNREACHABLE, Audience.OLDER): Words(
        "This website did not answer",
        "The gateway let you through, but the website could not be reached.",
        ("Check the spelling of the address.", "Try again in a minute."),
    ),
    (Occasion.UNRECORDED, Audience.YOUNG): Words(
        "The internet is resting", "It will be back soon.", ("Tell a grown-up, please.",)
    ),
    (Occasion.UNRECORDED, Audience.OLDER): Words(
        "The internet is closed for the moment",
        "The gateway cannot keep its record just now, and without the record nothing is let through.",
        ("Try again in a few minutes.", "If it goes on, tell ICT support and give the reference below."),
    ),
    (Occasion.GUARD, Audience.YOUNG): Words("We cannot go there", "This is not a page.", ("Go back.",)),
    (Occasion.GUARD, Audience.OLDER): Words(
        "The gateway does not go there",
        "The address, port or form of this request is one the gateway never serves, whoever asks.",
        ("Check the address.", "If you need it for your work, give the reference below to ICT support."),
    ),
    (Occasion.CLOSED, Audience.YOUNG): Words(
        "The internet is closed just now",
        "It is not your fault.",
        ("Do something else for now.", "A grown-up is putting it right."),
    ),
    (Occasion.CLOSED, Audience.OLDER): Words(
        "The internet is closed for everyone",
        "A list that keeps illegal content out is missing or too old. Until it is back, the school opens no page at "
        "all. It is not about you.",
        ("There is nothing to try: it opens again by itself when the list is back.",),
    ),
    (Occasion.CLOSED, Audience.STAFF): Words(
        "The internet is closed: a statutory list is missing",
        "A list of illegal content that every school must use is missing, expired or more than a day old, and the "
        "school has chosen to open nothing without it.",
        (
            "Tell ICT support at once. ‘schoolgate statutory status’ says which list it is and what is wrong with it.",
            "It opens again by itself as soon as a valid list is in place.",
        ),
    ),
    (Occasion.FAILURE, Audience.YOUNG): Words(
        "Something went wrong", "It is not your fault.", ("Try again.", "Tell a grown-up if it stays like this.")
    ),
    (Occasion.FAILURE, Audience.OLDER): Words(
        "Something went wrong on our side",
        "The gateway could not decide about this page, so it was not opened. It is not about you.",
        ("Try again in a minute.", "If it goes on, tell ICT support and give the reference below."),
    ),
}
