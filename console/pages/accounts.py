"""Who may sign in: accounts with their roles, links to choose a password, tokens of programs."""

from __future__ import annotations

from datetime import timedelta

from console import accounts, links, tokens
from console.accounts import Account
from console.drawing import link
from console.page import Answer, Ask, Go, Page, Refused, Shown, Table
from console.roles import TITLES, Grant, Role
from registry.change import RegistryError, RegistryProblem

ROLES = tuple(role for role in Role if role is not Role.READER)
"""Roles of people."""
COLUMNS = ("name", "title", "state", "roles", "second_factor", "person", "made_by", "made_at")


def show(ask: Ask) -> Answer:
    """Everybody, and the form for somebody new."""
    with ask.house.reading() as connection:
        found = [one for one in accounts.accounts(connection) if _visible(ask, one)]
    told = [accounts.facts(one) for one in found]
    view = {"found": found, "roles": ROLES, "problems": ask.problems, "form": ask.form, "sites": _sites(ask)}
    rows = ([{**one, "roles": "; ".join(map(_role_words, one["roles"]))}[name] for name in COLUMNS] for one in told)
    return Shown(data={"accounts": told}, view=view, table=Table(columns=COLUMNS, rows=rows))


def add(ask: Ask) -> Answer:
    """Make an account, and a link for whoever it is for."""
    form, grant = ask.form, _grant(ask)
    with ask.house.writing() as connection:
        made = accounts.add(
            connection, form.get("name", ""), form.get("title", ""), (grant,), ask.by(form.get("why", "")),
            person=form.get("person", "").strip() or None,
        )  # fmt: skip
    return Go(f"/accounts/{made.id}")


def show_one(ask: Ask) -> Answer:
    """One account, and what can be done with it."""
    found = _wanted(ask)
    view = {"one": found, "roles": ROLES, "problems": ask.problems, "invitation": "", "sites": _sites(ask)}
    return Shown(data={"account": accounts.facts(found)}, view=view)


def act(ask: Ask) -> Answer:
    """Change one account."""
    found, form = _wanted(ask), ask.form
    by = ask.by(form.get("why", ""))
    if found.id == ask.me.account:
        raise RegistryError(RegistryProblem(found.name, "is your own account", "somebody else changes it for you"))
    match form.get("do", ""):
        case "link":
            return _invite(ask, found)
        case "disable" | "enable" as word:
            with ask.house.writing() as connection:
                accounts.set_disabled(connection, found.id, word == "disable", by)
        case "roles":
            kept = [one for one in found.grants if form.get(f"keep-{one.id}") == "yes"]
            if any(not ask.me.grant.covers(one) for one in found.grants if one not in kept):
                raise RegistryError(RegistryProblem(found.name, "has a role that is not yours to take"))
            fresh = (_grant(ask),) if form.get("role") else ()
            with ask.house.writing() as connection:
                accounts.set_grants(connection, found.id, (*kept, *fresh), by)
        case "no-second-factor":
            with ask.house.writing() as connection:
                accounts.set_second_factor(connection, found.id, None, by)
                accounts.end_sessions(connection, found.id)
        case _:
            raise RegistryError(RegistryProblem("form", "says nothing to do"))
    return Go(f"/accounts/{found.id}")


def _invite(ask: Ask, found: Account) -> Answer:
    """A link that works once; it is shown this one time and kept as a hash."""
    from logstore.audit import record_change

    with ask.house.writing() as connection:
        secret = links.make(connection, found.id, ask.now)
        record_change(connection, who=ask.me.who, what="console.account.link", subject=found.name, at=ask.now)
    view = {
        "one": found, "roles": ROLES, "problems": (), "invitation": link("/first", key=secret), "sites": _sites(ask),
    }  # fmt: skip
    return Shown(data={"account": accounts.facts(found)}, view=view)


def show_tokens(ask: Ask) -> Answer:
    """Tokens there are, and the form for a new one."""
    with ask.house.reading() as connection:
        found = [one for one in tokens.tokens(connection) if ask.me.site in {None, one.site}]
    told = [
        {
            "id": one.id,
            "name": one.name,
            "site": one.site,
            "made_by": one.made_by,
            "until": one.until,
            "ended": one.ended,
        }
        for one in found
    ]
    view = {"found": found, "problems": ask.problems, "fresh": "", "sites": _sites(ask)}
    return Shown(data={"tokens": told}, view=view)


def act_tokens(ask: Ask) -> Answer:
    """Make one, shown this one time; or end one."""
    if ask.form.get("end", "").isdecimal():
        with ask.house.writing() as connection:
            tokens.end(connection, int(ask.form["end"]), ask.by(), site=ask.me.site)
        return Go("/tokens")
    days = ask.form.get("days", "")
    if not days.isdecimal() or not 1 <= int(days) <= 366:
        raise RegistryError(RegistryProblem("token", "how many days is it to work?", "1 to 366"))
    site = ask.me.site or ask.form.get("site", "").strip() or None
    with ask.house.writing() as connection:
        fresh = tokens.make(connection, ask.form.get("name", ""), site, ask.now + timedelta(days=int(days)), ask.by())
    again = show_tokens(ask)
    if not isinstance(again, Shown):
        raise TypeError("the page of tokens is shown")
    return Shown(data=again.data, view={**again.view, "fresh": fresh})


def _wanted(ask: Ask) -> Account:
    with ask.house.reading() as connection:
        try:
            found = accounts.get(connection, int(ask.path["id"]))
        except RegistryError as error:
            raise Refused("No such account", "There is no account of that number.", 404) from error
    if not _visible(ask, found):
        raise Refused("No such account", "There is no account of that number.", 404)
    return found


def _visible(ask: Ask, one: Account) -> bool:
    """Whoever answers for one site sees accounts of that site alone."""
    return ask.me.site is None or all(grant.site == ask.me.site for grant in one.grants)


def _grant(ask: Ask) -> Grant:
    form = ask.form
    if form.get("role") not in ROLES:
        raise RegistryError(RegistryProblem("role", "there is no such role", ", ".join(ROLES)))
    groups = tuple(sorted(set(form.get("groups", "").replace(",", " ").lower().split())))
    wanted = Grant(0, Role(form["role"]), form.get("site", "").strip() or None, groups)
    if not ask.me.grant.covers(wanted):
        where = "in the trust" if wanted.site is None else f"at {wanted.site}"
        raise RegistryError(RegistryProblem("role", f"you cannot give a role {where}", f"at {ask.me.site}"))
    return wanted


def _sites(ask: Ask) -> dict[str, str]:
    """Sites to pick from."""
    sites = ask.house.doors.policy().sites
    return {name: site.title for name, site in sites.items() if ask.me.site in {None, name}}


def _role_words(told: dict[str, object]) -> str:
    return f"{TITLES[Role(str(told['role']))]}{'' if told['site'] is None else f' at {told["site"]}'}"


PAGES = (
    Page(
        name="accounts", path="/accounts", title="Accounts", show=show, act=add, template="accounts.html",
        nav="Accounts", order=9,
    ),
    Page(
        name="account", path="/accounts/{id:int}", title="Account", show=show_one, act=act, template="account.html"
    ),
    Page(name="tokens", path="/tokens", title="Tokens", show=show_tokens, act=act_tokens, template="tokens.html"),
)  # fmt: skip
