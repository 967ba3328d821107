"""A draft of the policy: what it changes, in words and line by line; its steps from beginning to published."""

from __future__ import annotations

from typing import Any

from console import drafting
from console.page import Answer, Ask, Go, Lines, Page, Param, Refused, Shown
from console.pages import policy
from console.policytable import TIERS, Wanted, rows_of, sees_names
from console.rowview import MARKS
from policy.model import Tier
from registry import policies
from registry.change import RegistryError, RegistryProblem

DONE = {
    "begin": "The draft is begun. Nothing is in force until it is published.",
    "write": "Written. Nothing is in force until it is published.",
    "ask": "Asked. Somebody with the right to publish, who wrote none of it, reads and publishes it.",
    "rename": "Its title is changed.",
    "follow": "What was published meanwhile is in this draft, too.",
}
"""What is said after each step."""


def begin(ask: Ask) -> Answer:
    """Begin a draft: from the policy in force, or from a version that was."""
    now, number = ask.house.doors.policy_text(), ask.form.get("from", "").strip()
    text, of = now.text, "the policy in force"
    if number:
        if not number.isdigit():
            raise RegistryError(RegistryProblem("version", "no number of a version was given"))
        with ask.house.reading() as connection:
            old = policies.get(connection, int(number))
        if not drafting.visible(ask, old):
            raise RegistryError(RegistryProblem("version", "it is not about your site"))
        text, of = old.text, f"policy version {old.id}"
    site = ask.me.site if text == now.text else drafting.site_of(ask, now.text, text)
    with ask.house.writing() as connection:
        made = policies.start(
            connection, text, ask.by(), title=ask.form.get("title", ""), base=now.digest, site=site, of=of
        )
    return Go(f"/policy/drafts/{made.id}?done=begin")


def show(ask: Ask) -> Answer:
    """The draft, its rows, and what it changes of the policy in force."""
    version = drafting.wanted(ask)
    if version.state not in policies.OPEN:
        if ask.problems:  # what was tried just now failed: the history alone would look like a success
            raise Refused("Not in force", " ".join(ask.problems), 409)
        return Go(f"/policy/history/{version.id}")
    now = ask.house.doors.policy_text()
    found = drafting.compared(ask, now.text, version.text)
    rows = [] if found.after is None else rows_of(found.after, ask.me, Wanted())
    touched = {one.name for one in found.changes}
    for row in rows:
        row["changed"] = row["rule"] in touched
        row["own"] = not row["fixed"] and (ask.me.site is None or row["sites"] == [ask.me.site])
    with ask.house.reading() as connection:
        mine = policies.wrote(connection, version, ask.me.who)
    data = {"draft": policies.facts(version), **drafting.changes_json(found), "rules": rows}
    data |= {"in_force_changed": version.base != now.digest}
    view: dict[str, Any] = {
        "one": version,
        "found": found,
        "state": drafting.STATES[version.state],
        "tiers": [(tier, *TIERS[tier], [row for row in rows if row["tier"] == tier]) for tier in Tier],
        "marks": MARKS,
        "lines": drafting.lines_of(ask, now.text, version.text),
        "text": sees_names(ask.me),
        "now": now,
        "mine": mine,
        "edit": ask.me.may("policy-rule"),
        "publish": ask.me.may("policy-publish") and not now.elsewhere,
        "needs_other": bool(found.risks) and mine,
        "problems": ask.problems,
        "done": "" if ask.problems else DONE.get(ask.query.get("done", ""), ""),
        "hot": ask.query.get("rule", ""),
    }
    return Shown(data=data, view=view)


def step(ask: Ask) -> Answer:
    """Ask for a review, give it up, say anew what it is for, or take over what was published meanwhile."""
    version, by = drafting.wanted(ask, still_open=True), ask.by(ask.form.get("why", ""))
    do, now, text = ask.form.get("do", ""), ask.house.doors.policy_text(), ""
    if do == "follow":
        text = drafting.brought_up(ask, version, now.text)
        site = drafting.site_of(ask, now.text, text)
    if do == "ask" and not drafting.compared(ask, now.text, version.text).changes:
        raise RegistryError(RegistryProblem(version.title, "changes nothing of the policy in force"))
    with ask.house.writing() as connection:
        match do:
            case "ask":
                policies.ask(connection, version.id, by, seen=ask.form.get("seen", ""))
            case "withdraw":
                policies.withdraw(connection, version.id, by)
                return Go("/policy?done=withdraw")
            case "follow":
                policies.write(
                    connection, version.id, text, by, seen=ask.form.get("seen", ""), what="followed", site=site,
                    base=now.digest,
                )  # fmt: skip
            case "rename":
                policies.rename(connection, version.id, ask.form.get("title", ""), by)
            case _:
                raise RegistryError(RegistryProblem(version.title, "nothing to do was said"))
    return Go(f"/policy/drafts/{version.id}?done={do}")


def publish(ask: Ask) -> Answer:
    """Put it in force on every worker."""
    version, now = drafting.wanted(ask, still_open=True), ask.house.doors.policy_text()
    found = drafting.compared(ask, now.text, version.text)
    if not found.confined:
        raise Refused("Not yours to publish", "It changes more than the rules of your school alone.")
    if found.after is not None and not found.changes:
        raise RegistryError(RegistryProblem(version.title, "changes nothing of the policy in force"))
    seen, against = ask.form.get("seen", ""), ask.form.get("against", "")
    said = ask.house.doors.publish_policy(version.id, ask.by(ask.form.get("why", "")), seen=seen, against=against)
    where = "late" if said.startswith("Published, but") else "next" if said.startswith("No gateway") else "yes"
    return Go(f"/policy/history/{version.id}?done={where}")


def file(ask: Ask) -> Answer:
    """The text of a version, to keep or to put under version control."""
    version = drafting.wanted(ask)
    if not sees_names(ask.me):
        raise Refused("Not for your role", "The whole text names people and the rules of every school.")
    return Lines(f"policy-{version.id}.yaml", "application/yaml; charset=utf-8", iter([version.text]))


PAGES = (
    Page(name="policy-begin", path="/policy/begin", title="Policy", show=policy.show, act=begin,
         template="policy.html", twins=False),
    Page(
        name="policy-draft", path="/policy/drafts/{id:int}", title="A draft of the policy", show=show,
        template="policydraft.html", params=(Param(name="rule", words="the rule to look at first"),),
    ),
    Page(name="policy-step", path="/policy/drafts/{id:int}/step", title="A draft of the policy", show=show, act=step,
         template="policydraft.html", twins=False),
    Page(name="policy-publish", path="/policy/drafts/{id:int}/publish", title="A draft of the policy", show=show,
         act=publish, template="policydraft.html", twins=False),
    Page(name="policy-file", path="/policy/versions/{id:int}/file", title="A version of the policy", show=file,
         twins=False),
)  # fmt: skip
