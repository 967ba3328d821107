"""Why somebody looks at one person's rows: said once, kept for half an hour, and in the trail with every look."""

from __future__ import annotations

from console import sessions
from console.page import Answer, Ask, Go, Page, Shown, local
from identity.directory import account_name
from registry.change import RegistryError, RegistryProblem, text_problems

LONGEST = 64
"""Characters of the name of a person or machine."""


def show(ask: Ask) -> Answer:
    """The form."""
    told = {**ask.query, **ask.form}
    view = {
        "user": account_name(told.get("user", ""))[:LONGEST],
        "next": local(told.get("next", ""), "/log"),
        "why": told.get("why", ""),
        "problems": ask.problems,
        "lasts": int(sessions.REASON.total_seconds() // 60),
    }
    return Shown(data={"user": view["user"]}, view=view)


def act(ask: Ask) -> Answer:
    """Keep the reason and go on."""
    why = ask.form.get("why", "").strip()
    user = account_name(ask.form.get("user", ""))
    problems = text_problems(user[:LONGEST], "reason", why)
    if len(why) < 3:
        problems.append(RegistryProblem(user[:LONGEST], "a look at one person's rows needs a reason", "a few words"))
    if not user or len(user) > LONGEST:
        problems.append(RegistryProblem(user[:LONGEST] or "user", f"names have 1 to {LONGEST} characters", "whose?"))
    if problems:
        raise RegistryError(*problems)
    with ask.house.writing() as connection:
        sessions.give_reason(connection, ask.me.session, user, why, ask.now)
    return Go(local(ask.form.get("next", ""), "/log"))


PAGES = (Page(name="reason", path="/reason", title="Why do you look?", show=show, act=act, template="reason.html"),)
