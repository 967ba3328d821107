"""What holds for statutory lists whatever any policy says: pure, asked by the engine when it is built and first of all.

In come the lists and what the taxonomy says of categories; out comes what is wrong with them, or the verdict that
stands while the school wants no service without them. That listed addresses are blocked is the first row of every
table (`policy.builtinrows.locked_rule`); here is what keeps that row from missing them.
"""

from __future__ import annotations

from categories.model import Index
from categories.names import Url
from categories.statutory import StatutoryIndex
from policy.client import Band
from policy.kinds import Kinds
from policy.model import Action, Reason, Stage, Tier, Verdict

CLOSED_ROW = "statutory-lists-missing"
"""Stands as rule on whatever is refused because the school wants no service without its statutory lists."""
CLOSED_BECAUSE = (
    "The lists of illegal content that every school must use are missing or out of date, so the web is closed."
)


def statutory_trouble(index: Index, kinds: Kinds) -> str:
    """Why the statutory lists in force would not be LOCKED or not be asked; empty when all is well."""
    if not isinstance(index, StatutoryIndex):
        return ""
    stray = sorted(index.locked - kinds.statutory)
    if stray:
        what = f"a statutory list is of category {', '.join(stray)}, which the taxonomy does not call statutory"
        return f"{what}: it would not be LOCKED; put the taxonomy right"
    for host, category in index.canaries:
        if category not in {match.category for match in index.match(Url("https", host, 443))}:
            return f"the statutory list of {category} does not find its own test entry"
    return ""


def closed(band: Band, stage: Stage, revision: str) -> Verdict:
    """The verdict for everybody and everything while statutory lists are missing and the school said `stop`.

    No rule, band, help site or bypass is asked. The reason is *failure*: nobody asked for anything illegal.
    """
    because, tier = CLOSED_BECAUSE, Tier.LOCKED
    return Verdict(Action.BLOCK, Reason.FAILURE, because, tier, CLOSED_ROW, band=band, stage=stage, revision=revision)
