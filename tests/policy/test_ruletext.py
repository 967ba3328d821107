"""Changing a rule in the text: only what was changed is written anew."""

from __future__ import annotations

import importlib.resources
from dataclasses import replace
from random import Random

import pytest

from policy.rows import Policy, Rule
from policy.rules import load_policy
from policy.ruletext import CannotEdit, added, as_form, changed, empty, moved, removed, rules_in, written
from tests.policy.school import TAXONOMY

PRESETS = sorted((importlib.resources.files("policy") / "presets").iterdir(), key=lambda one: one.name)
TEXTS = {one.name: one.read_text(encoding="utf-8") for one in PRESETS if not one.name.startswith("staff-")}
TRUST = TEXTS["trust.yaml"]
OURS = """schoolgate: 1   # the head agreed, 3 September
groups: {club: {}}

policies:
- tier: default
  rules:
  # About games
  - rule: games            # from the council
    who:                   # whoever is a pupil
      - ks3
      - ks4                # since Easter
    what: [games]          # all of them
    # not on Fridays
    when: [mon-thu]
    action: block

  - {rule: short, what: [video], action: warn}
  - because: >
      Two lines
      of words.
    rule: last
    what:
      - chat
    action: block   # the end"""


def read(text: str) -> Policy:
    return load_policy(text, file="t", categories=TAXONOMY)


def rules(text: str) -> dict[str, Rule]:
    return {rule.name: replace(rule, line=0) for rule in read(text).rules}


@pytest.mark.parametrize("text", [*TEXTS.values(), OURS], ids=[*TEXTS, "ours"])
def test_a_form_that_changes_nothing_leaves_every_character(text: str) -> None:
    for place in rules_in(text):
        if not place.flow:
            assert changed(text, place.name, as_form(text, place.name)) == text
        else:
            assert rules(changed(text, place.name, as_form(text, place.name))) == rules(text)
    assert [place.name for place in rules_in(text)] == [rule.name for rule in read(text).rules]


def test_only_the_changed_value_is_written_and_comments_stay() -> None:
    wanted = {**as_form(OURS, "games"), "who": ["ks3"], "what": ["games", "host:play.example"], "until": "2027-01-01"}
    after = changed(OURS, "games", wanted)
    assert after == OURS.replace(
        "  - rule: games            # from the council\n    who:                   # whoever is a pupil\n      - ks3\n"
        "      - ks4                # since Easter\n    what: [games]          # all of them\n",
        "  - rule: games            # from the council\n    who:                   # whoever is a pupil\n      [ks3]"
        "                # since Easter\n    what: [games, host:play.example]          # all of them\n",
    ).replace("    action: block\n\n", "    action: block\n    until: 2027-01-01\n\n")
    assert rules(after)["games"].until is not None
    gone = changed(OURS, "games", {**as_form(OURS, "games"), "when": []})
    assert gone == OURS.replace("    when: [mon-thu]\n", "")


def test_a_short_rule_is_written_out_and_a_folded_sentence_replaced() -> None:
    after = changed(OURS, "short", {**as_form(OURS, "short"), "action": "block"})
    assert "  - rule: short\n    what: [video]\n    action: block\n" in after
    after = changed(OURS, "last", {**as_form(OURS, "last"), "because": 'He said: "no"', "what": ["chat", "video"]})
    assert rules(after)["last"].because == 'He said: "no"'
    assert after.endswith("    what: [chat, video]\n    action: block   # the end")


def test_rules_move_come_and_go_and_the_rest_stays() -> None:
    up = moved(OURS, "last", -1)
    assert [place.name for place in rules_in(up)] == ["games", "last", "short"]
    assert rules(up) == rules(OURS)
    assert [place.name for place in rules_in(moved(OURS, "games", 99))] == ["short", "last", "games"]
    assert moved(OURS, "games", -1) == OURS
    assert "# About games\n  - {rule: short" in moved(OURS, "games", 1).replace("\n\n", "\n")
    assert moved(moved(TRUST, "pupils-ai", 3), "pupils-ai", -3) == TRUST
    fresh = {"rule": "fresh", "what": ["chat"], "action": "allow"}
    after = added(OURS, 0, fresh, after="last")
    assert [place.name for place in rules_in(after)] == ["games", "short", "last", "fresh"]
    assert removed(after, "fresh") == OURS + "\n"
    first = added(OURS, 0, fresh)
    assert next(place.name for place in rules_in(first)) == "fresh"
    assert removed(first, "fresh") == OURS
    assert rules(removed(TRUST, "updates")).keys() == rules(TRUST).keys() - {"updates"}


def test_the_first_rule_of_a_policy_that_has_none() -> None:
    text = "schoolgate: 1\npolicies:\n  - tier: trust\n    rules: []   # none yet\n    owner: us\n"
    after = added(text, 0, {"rule": "one", "what": ["games"], "action": "block"})
    assert [rule.name for rule in read(after).rules] == ["one"]
    assert "# none yet" in after


def test_random_edits_change_the_one_rule_and_nothing_else() -> None:
    """Hundreds of them, one after another: every other rule stays what it was, and every comment stays."""
    random, text = Random(7), TRUST
    comments = [line.strip() for line in TRUST.split("\n") if line.strip().startswith("#")]
    for number in range(60):
        before = rules(text)
        name = random.choice(list(before))
        match random.choice(("change", "change", "move", "add", "remove")):
            case "change":
                wanted = as_form(text, name)
                what = list(wanted["what"])
                wanted |= {"what": random.sample([*what, "host:x.example", "not host:y.example"], len(what) + 1)}
                wanted |= {
                    "because": random.choice(("", "No: never.", "'quoted' # text", "Plain words.", "ünï — 𝄞\u0085"))
                }
                text = changed(text, name, wanted)
                assert as_form(text, name)["what"] == wanted["what"]
            case "move":
                text = moved(text, name, random.randint(-9, 9))
                assert rules(text) == before
            case "add":
                ruleset = next(place.ruleset for place in rules_in(text) if place.name == name)
                fresh = {"rule": f"fresh-{number}", "who": ["ks3"], "what": ["games"] * 30, "action": "block"}
                text = added(text, ruleset, fresh, after=name)
                assert not [line for line in text.split("\n") if len(line) > 120 and "games, games" in line]
            case "remove" if len(before) > 5 and not name.startswith(("oakwood", "riverside")):
                text = removed(text, name)
                assert name not in rules(text)
        after = rules(text)
        assert all(after[one] == before[one] for one in after.keys() & before.keys() - {name})
        assert after.keys() >= before.keys() - {name}
    left = [line.strip() for line in text.split("\n") if line.strip().startswith("#")]
    assert left == comments


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("policies: [", "not YAML"),
        ("policies: [{tier: trust, rules: [{rule: a, action: block}]}]", "line of its own"),
        ("policies:\n - tier: trust\n   rules:\n   -\n     rule: a\n     action: block\n", "does not begin"),
        ("policies:\n - tier: trust\n   rules:\n   - rule: b\n", "no rule 'a'"),
        ("[" * 5000, "not YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_edited_by_its_place_says_what_to_do(text: str, says: str) -> None:
    with pytest.raises(CannotEdit, match=says):
        changed(text, "a", {"rule": "a", "action": "allow"})


def test_what_would_leave_a_policy_without_rules_is_refused() -> None:
    with pytest.raises(CannotEdit, match="only rule"):
        removed(TRUST, "oakwood-chess-club")
    with pytest.raises(CannotEdit, match="no policy"):
        added(TRUST, 9, empty())
    with pytest.raises(CannotEdit, match="no `rules:`"):
        added("policies:\n  - tier: trust\n", 0, empty())
    with pytest.raises(CannotEdit, match="first key"):
        changed(OURS, "last", {**as_form(OURS, "last"), "because": ""})


def test_a_rule_is_written_in_the_order_people_read() -> None:
    wanted = {"action": "allow", "what": ["a b: c", "host:x.example"], "rule": "r", "who": []}
    assert written(wanted, 4) == '    - rule: r\n      what: ["a b: c", host:x.example]\n      action: allow\n'
