"""What differs between two policies."""

from __future__ import annotations

import importlib.resources

import pytest

from policy.comparing import compare, confined
from policy.rows import Policy
from policy.rules import load_policy
from tests.policy.school import TAXONOMY

PRESET = (importlib.resources.files("policy") / "presets" / "trust.yaml").read_text(encoding="utf-8")


def read(text: str) -> Policy:
    return load_policy(text, file="t", categories=TAXONOMY)


BEFORE = read(PRESET)


def changed(old: str, new: str) -> list[tuple[str, str, tuple[str, ...]]]:
    assert old in PRESET
    return [(one.kind, one.name, one.words) for one in compare(BEFORE, read(PRESET.replace(old, new, 1)))]


def test_the_same_policy_differs_in_nothing() -> None:
    assert compare(BEFORE, read("# a comment\n" + PRESET)) == ()


@pytest.mark.parametrize(
    ("old", "new", "kind", "name", "words"),
    [
        ("who: [ks4, ks5]\n        what: [ai-chat]", "who: [ks3, ks4, ks5]\n        what: [ai-chat]",
         "changed", "pupils-ai", ("is now also for Key Stage 3",)),
        ("what: [webmail]", "what: [webmail, games]", "changed", "pupils-personal-mail", ("is now also about Games",)),
        ("when: [lesson, break]", "when: [lesson]", "changed", "ks4-leisure", ("is no longer during break",)),
        ('who: [staff, "not group:technicians"]', "who: [staff]",
         "changed", "staff-programs", ("is now also for Technicians",)),
        ("what: [ai-chat]\n        action: block", "what: [ai-chat]\n        action: warn",
         "changed", "pupils-ai", ("is open only after a warning instead of closed",)),
        ("Pupils use only their school e-mail account.", "No private mail.",
         "changed", "pupils-personal-mail", ("says “No private mail.”",)),
        ("year-9:         {band: ks3", "year-9:         {band: ks4", "around", "group:year-9",
         ("group year-9 differs and settles Key Stage 4",)),
        ("Trust IT", "The IT team", "around", "policies", None),
        ("name: INSET, from: 2026-11-27, to: 2026-11-27", "name: INSET, from: 2026-11-26, to: 2026-11-26",
         "around", "calendar", ("terms or closed days differ",)),
        ('lunch:         {title: lunch, days: mon-fri, times: ["12:10-13:10"]}',
         'lunch:         {title: lunch, days: mon-fri, times: ["12:10-14:10"]}', "around", "schedule:lunch", None),
        ("title: Oakwood Primary", "title: Oakwood", "around", "site:oakwood", ("site oakwood differs",)),
        ("policies:\n", "safe_search: {off_for: [group:technicians]}\npolicies:\n", "around", "safe_search", None),
        ("timezone: Europe/London", "timezone: Europe/Dublin", "around", "timezone", None),
        ("policies:\n", "page_limits: {ks3: 80}\npolicies:\n", "around", "page_limits", ("page_limits differs",)),
        ("trust: Example Learning Trust", "trust: Other", "around", "trust", None),
    ],
)  # fmt: skip
def test_one_change_is_told_in_words(old: str, new: str, kind: str, name: str, words: tuple[str, ...] | None) -> None:
    found = {one[1]: one for one in changed(old, new)}
    assert found[name][0] == kind
    assert words is None or found[name][2] == words


def test_a_schedule_written_inside_a_rule_changes_with_its_rule_alone() -> None:
    found = changed("when: [lesson, break]", 'when: ["mon-fri 09:00-12:00"]')
    assert [(kind, name) for kind, name, _ in found] == [("changed", "ks4-leisure")]


def test_of_a_rule_that_moved_only_that_rule_is_told() -> None:
    """Not every rule it went past."""
    rule = "      - rule: pupils-trading\n        who: [pupils]\n        what: [auctions]\n        action: block\n"
    rule += "        because: Buying and selling is not for school.\n"
    assert rule in PRESET
    after = PRESET.replace(rule, "").replace("      - rule: updates\n", rule + "      - rule: updates\n")
    (one,) = compare(BEFORE, read(after))
    assert (one.kind, one.name, one.words) == ("moved", "pupils-trading", ("now stands first of its policy",))
    (back,) = compare(read(after), BEFORE)
    assert back.words == ("now stands after pupils-adverts",)


def test_rules_that_came_and_went() -> None:
    after = read(PRESET.replace("- rule: pupils-ai\n", "- rule: pupils-robots\n"))
    added, removed = compare(BEFORE, after)
    assert (added.kind, added.name, removed.kind, removed.name) == ("added", "pupils-robots", "removed", "pupils-ai")
    assert added.words[0].endswith(": closed for Key Stage 4 and Sixth form")


def test_what_is_one_sites_business_alone() -> None:
    own = compare(BEFORE, read(PRESET.replace("host:lichess.org", "host:chess.com")))
    assert confined(own, "oakwood")
    assert not confined(own, "riverside")
    assert not confined(compare(BEFORE, read(PRESET.replace("what: [webmail]", "what: [games]", 1))), "oakwood")
    both = compare(BEFORE, read(PRESET.replace("    site: oakwood\n", "    site: [oakwood, riverside]\n")))
    assert not confined(both, "oakwood")


def test_accounts_are_named_only_to_whoever_may_see_names() -> None:
    after = read(PRESET.replace("who: [ks4, ks5]\n        what: [ai-chat]",
                                "who: [ks4, ks5, 'not user:sam']\n        what: [ai-chat]"))  # fmt: skip
    assert compare(BEFORE, after)[0].words == ("is no longer for account sam",)
    assert compare(BEFORE, after, names=False)[0].words == ("is no longer for 1 account",)
