"""e2guardian's order of decisions as rules, its groups as groups, its phrase limits as a hint at ages.

In come groups and the categories their lists became; out come rules to propose, first to last as e2guardian's shipped
storyboard asks: local exception, local grey, local banned, exception, searches, phrases, grey, banned, blanket, and the
rest is open. Searches and phrases come before grey, because e2guardian looks at the words of grey sites, too.
Exception and grey both become `allow`: here what is allowed is still inspected, scored and recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from categories.importers.e2guardian_conf import Group
from categories.importers.proposal import ProposedGroup, ProposedRule, kebab

ORDER = (
    ("local-exception", "allow"),
    ("local-grey", "allow"),
    ("local-banned", "block"),
    ("local-banned-search", "block"),
    ("exception", "allow"),
    ("open-search", "allow"),
    ("banned-search", "block"),
    ("phrases", "block"),
    ("grey", "allow"),
    ("banned", "block"),
)
"""Roles in the order in which they decide (docs/importing.md), and what they decide."""
_AGES = ((60, "ks2"), (100, "ks4"), (160, "ks5"))
"""`naughtynesslimit` up to which a group is proposed for a band: young children, older children, young adults."""


@dataclass(slots=True)
class GroupLists:
    """What the lists of a group became."""

    group: Group
    """The group."""
    categories: dict[str, list[str]] = field(default_factory=dict)
    """Role to our categories."""
    blanket: bool = False
    """True when a list closes everything else."""

    def add(self, role: str, category: str) -> None:
        """Note that a list of a role became a category."""
        found = self.categories.setdefault(role, [])
        if category not in found:
            found.append(category)


def proposed_groups(groups: Sequence[Group]) -> list[tuple[Group, ProposedGroup]]:
    """A group of ours for each filter group, named after it, with the band its limit suggests."""
    taken: set[str] = set()
    found: list[tuple[Group, ProposedGroup]] = []
    for group in groups:
        name = kebab(group.name) or f"filter-{group.number}"
        if name in taken:
            name = f"{name}-{group.number}"
        taken.add(name)
        found.append((group, ProposedGroup(name, group.name or f"filter group {group.number}", band_for(group.limit))))
    return found


def band_for(limit: int) -> str:
    """The age band a phrase limit suggests; above that of young adults, staff."""
    return next((band for most, band in _AGES if limit <= most), "staff")


def rules_for(told: Sequence[GroupLists], names: Mapping[int, str]) -> Iterator[ProposedRule]:
    """Rules of every group. Group 1 is everybody who is in no other, so its rules come last and name nobody."""
    for lists in sorted(told, key=lambda lists: (lists.group.number == 1, lists.group.number)):
        name = names[lists.group.number]
        who = () if lists.group.number == 1 else (f"group:{name}",)
        for role, action in ORDER:
            if categories := lists.categories.get(role):
                what = tuple(categories)
                if role == "open-search":  # opens what closed searches close, and nothing that sites do
                    what += tuple(f"not {closed}" for closed in lists.categories.get("banned", ()))
                note = f"{role} lists of filter group {lists.group.number}"
                yield ProposedRule(f"{name}-{role}", action, what, who, note=note)
        if lists.blanket:
            yield ProposedRule(f"{name}-blanket", "block", ("anything",), who, note="a blanket block in its lists")
        else:
            yield ProposedRule(f"{name}-rest", "allow", ("anything",), who, note="what no list names is open")
