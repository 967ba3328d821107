"""What a policy file passes unread although it closes a part of it: a policy and the lists in, warnings out. Pure.

The rule: a school's own `bypass` holds, and whoever wrote it hears what it costs; one click never passes such a host
(`policy.engine`). Only hosts that rules name are looked at: what a category holds changes with every list.
"""

from __future__ import annotations

from categories.model import Index
from policy.model import Action
from policy.problems import PolicyProblem
from policy.rows import Policy


def passed_below(policy: Policy, index: Index) -> tuple[PolicyProblem, ...]:
    """A warning for every host named in a `bypass` of which a list names pages that some rule closes.

    LOCKED pages are no matter here: a host that has one is read, whatever the file says.
    """
    closing = (rule.what.include.categories for rule in policy.rules if rule.action in {Action.BLOCK, Action.WARN})
    closed = frozenset().union(*closing)
    found = []
    for rule in policy.rules:
        for host in sorted(rule.what.include.hosts) if rule.action is Action.BYPASS else ():
            below = index.has_entries_below(host)
            if not below & closed or below & policy.kinds.statutory:
                continue
            named = ", ".join(sorted(below & closed))
            what = f"rule {rule.name!r} passes {host} unread, and with it its pages that lists name as {named}"
            instead = "name the program's own host, or use `action: allow`, which inspects"
            found.append(PolicyProblem(policy.file, rule.line, what, instead))
    return tuple(found)
