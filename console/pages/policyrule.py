"""Writing in a draft: one rule by a form, its place by buttons or by dragging, or the whole text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console import drafting, ruleform
from console.drawing import link
from console.page import Answer, Ask, Go, Page, Param, Refused, Shown
from console.policytable import sees_names
from policy import ruletext
from policy.comparing import compare
from policy.model import Action
from policy.rows import Policy
from policy.ruletext import CannotEdit
from policy.wording import DEEDS, words_of
from registry import policies
from registry.change import RegistryError, RegistryProblem
from registry.policies import Version

TEXT_BYTES = 8 * 1024 * 1024
"""Most bytes of the form that holds the whole text."""


def show_rule(ask: Ask) -> Answer:
    """The form of a rule: one of the draft, or a new one in a policy of it."""
    version = drafting.wanted(ask, still_open=True)
    policy, told = drafting.read(ask, version.text), {**ask.query, **ask.form}
    name, into, after = told.get("was", "") or told.get("rule", ""), told.get("into", ""), told.get("after", "")
    if into:
        name = ""
    rule = ruletext.empty() if into else _form_of(version, name)
    shown = ruleform.from_form(ask.form, policy) if ask.form else ruleform.filled(rule, policy)
    stands = next((one for one in policy.rules if one.name == name), None)
    data = {"draft": version.id, "rule": rule, "into": into, "after": after}
    view: dict[str, Any] = {
        "one": version,
        "name": name,
        "into": into,
        "after": after,
        "shown": shown,
        "words": None if stands is None else words_of(stands, policy, names=sees_names(ask.me)).sentence,
        "boxes": ruleform.boxes(policy),
        "actions": [(action.value, DEEDS[action]) for action in Action],
        "groups": sorted(policy.groups.items()),
        "categories": sorted((one.title, one.name) for one in ask.house.doors.categories().values()),
        "problems": ask.problems,
        "sets": [(number, one) for number, one in enumerate(policy.policies)],
        "seen": ask.form.get("seen", version.digest),
    }
    return Shown(data=data, view=view)


def act_rule(ask: Ask) -> Answer:
    """Change, add, take out or move a rule."""
    version, form = drafting.wanted(ask, still_open=True), ask.form
    policy, do = drafting.read(ask, version.text), form.get("do", "")
    name = form.get("was", "")
    try:
        match do:
            case "change":
                wanted = ruleform.rule_of(form, ruletext.as_form(version.text, name), policy)
                text = ruletext.changed(version.text, name, wanted)
            case "add":
                wanted = ruleform.rule_of(form, {}, policy)
                text = ruletext.added(version.text, _number(form, "into"), wanted, after=form.get("after", ""))
            case "remove":
                wanted, text = {}, ruletext.removed(version.text, name)
            case "move":
                wanted, text = {}, ruletext.moved(version.text, name, _number(form, "steps"))
            case _:
                raise CannotEdit("nothing to do was said")
    except CannotEdit as error:
        raise RegistryError(RegistryProblem(name or "rule", str(error), "change it in the text")) from error
    now = str(wanted.get("rule") or name)
    _check_alone(policy, drafting.read(ask, text), {name, now}, moved=do == "move")
    _write(ask, version, text, f"{do} rule {now}")
    return Go(link(f"/policy/drafts/{version.id}", done="write", rule=now) + (f"#rule-{now}" if do != "remove" else ""))


def show_text(ask: Ask) -> Answer:
    """The whole text."""
    version = _whole(ask)
    text = ask.form.get("text", version.text)
    view = {"one": version, "text": text, "problems": ask.problems, "seen": ask.form.get("seen", version.digest)}
    return Shown(data={"draft": version.id, "text": version.text, "digest": version.digest}, view=view)


def act_text(ask: Ask) -> Answer:
    """Write the whole text, if it can be read."""
    version = _whole(ask)
    text = ask.form.get("text", "").replace("\r\n", "\n")
    drafting.read(ask, text)
    _write(ask, version, text, "the text")
    return Go(f"/policy/drafts/{version.id}?done=write")


def _whole(ask: Ask) -> Version:
    version = drafting.wanted(ask, still_open=True)
    if not sees_names(ask.me):
        words = "The whole text holds the rules of every school; your role changes rules one by one."
        raise Refused("Not for your role", words)
    return version


def _form_of(version: Version, name: str) -> ruleform.Words:
    try:
        return ruletext.as_form(version.text, name)
    except CannotEdit as error:
        raise Refused("Not by a form", f"{error}.", 404) from error


def _number(form: Mapping[str, str], name: str) -> int:
    try:
        return int(form.get(name, ""))
    except ValueError as error:
        raise CannotEdit(f"{name!r} is no number") from error


def _check_alone(before: Policy, after: Policy, names: set[str], *, moved: bool) -> None:
    """Raise `RegistryError` when an edit of one rule changed another: then the text is not as it was taken to be."""
    others = [
        one.name for one in compare(before, after) if not (moved and one.kind == "moved") and one.name not in names
    ]
    if others:
        raise RegistryError(RegistryProblem("rule", f"{others[0]} would change too", "change it in the text"))


def _write(ask: Ask, version: Version, text: str, what: str) -> None:
    site = drafting.site_of(ask, ask.house.doors.policy_text().text, text)
    with ask.house.writing() as connection:
        policies.write(connection, version.id, text, ask.by(), seen=ask.form.get("seen", ""), what=what, site=site)


PAGES = (
    Page(
        name="policy-rule", path="/policy/drafts/{id:int}/rule", title="A rule", show=show_rule, act=act_rule,
        template="policyrule.html",
        params=(
            Param(name="rule", words="name of the rule"),
            Param(name="into", words="number of the policy a new rule goes into, from 0"),
            Param(name="after", words="the rule it goes behind; empty: first"),
        ),
    ),
    Page(name="policy-text", path="/policy/drafts/{id:int}/text", title="The text of a draft", show=show_text,
         act=act_text, template="policytext.html", form_bytes=TEXT_BYTES),
)  # fmt: skip
