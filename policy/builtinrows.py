"""The rows every table has, whatever the files say: illegal content first, help next, and what holds when none fitted.

In come the kinds of categories or a band; out come rules. The rule here: `policy.tables` asks for each by this module's
name while it builds, and this module stays interpreted, so that a test can take a row away and see the engine's
self-test stop the build.
"""

from __future__ import annotations

from policy.client import Band
from policy.kinds import Kinds
from policy.model import Action
from policy.rows import ALLOW_ONLY, Rule, Things, What

LOCKED_ROW = "locked-statutory"
HELP_ROW = "help-always"
ALLOW_ONLY_ROW = "allow-only"
ALLOW_REST_ROW = "allow-the-rest"
BUILT_IN_NAMES = (LOCKED_ROW, HELP_ROW, ALLOW_ONLY_ROW, ALLOW_REST_ROW)
"""Names of the rows every table has; no file may use them."""


def locked_rule(kinds: Kinds) -> Rule:
    """Illegal content is blocked for everybody, whatever any file says (F-04)."""
    what = What(include=Things(categories=kinds.statutory))
    because = "This is on the list of illegal content that every school must block. It is never opened."
    return Rule(LOCKED_ROW, Action.BLOCK, what=what, because=because)


def help_rule(kinds: Kinds) -> Rule:
    """Help sites are open to everybody (B-53)."""
    because = "Sites that help children are always open."
    return Rule(HELP_ROW, Action.ALLOW, what=What(include=Things(categories=kinds.help)), because=because)


def last_rule(band: Band) -> Rule:
    """What holds when no row fitted: young children reach only what was chosen (B-45, B-47), others what is left."""
    if band in ALLOW_ONLY:
        return Rule(ALLOW_ONLY_ROW, Action.BLOCK)
    return Rule(ALLOW_REST_ROW, Action.ALLOW)
