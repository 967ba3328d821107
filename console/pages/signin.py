"""Signing in and out, and the first account: public pages, which show nothing of the school."""

from __future__ import annotations

import math

from console import accounts, links, sessions
from console.accounts import Account
from console.page import Answer, Ask, Go, Page, Refused, Shown, local
from console.roles import Grant, Role
from console.signin import Try, tell
from logstore.audit import record_change
from registry.change import By, RegistryError, RegistryProblem
from registry.passwords import new_hash

BAND = "staff"
"""Passwords of the console are those of adults."""


def show_sign_in(ask: Ask) -> Answer:
    """The form."""
    return Shown(data={}, view={"next": local(ask.query.get("next", "")), "name": "", "said": "", "problems": ()})


def sign_in(ask: Ask) -> Answer:
    """Try what was typed."""
    form = ask.form
    tried = Try(form.get("name", ""), form.get("password", ""), form.get("code", ""), ask.address)
    answer = ask.house.signin.attempt(tried, ask.now)
    if answer.cookie:
        return Go(local(form.get("next", "")), session=answer.cookie)
    said = "That did not work. Name, password or code is wrong, or the account may not be used."
    if seconds := math.ceil(answer.wait.total_seconds()):
        said = f"Too many tries. Wait {seconds} seconds, then try again."
    view = {"next": local(form.get("next", "")), "name": form.get("name", "")[:64], "said": said, "problems": ()}
    return Shown(data={"error": said}, view=view, status=429 if seconds else 401)


def sign_out(ask: Ask) -> Answer:
    """End this session."""
    with ask.house.writing() as connection:
        sessions.end(connection, ask.me.session)
        what = {"what": "signed out", "subject": "console", "kind": "sign-in"}
        record_change(connection, who=ask.me.who, at=ask.now, after={"address": ask.address}, **what)
    return Go("/sign-in", session="")


def show_signed_out(ask: Ask) -> Answer:
    """Signing out is a button, not an address somebody else could put into a page."""
    return Shown(data={"signed_in": ask.me.name})


def show_first(ask: Ask) -> Answer:
    """The form behind a link that works once: the first account's, or an invited one's."""
    account = _meant(ask, ask.form.get("key") or ask.query.get("key", ""))
    view = {
        "key": ask.form.get("key") or ask.query.get("key", ""),
        "account": account,
        "name": ask.form.get("name", ""),
        "person": ask.form.get("person", ""),
        "problems": ask.problems,
    }
    return Shown(data={}, view=view)


def make_first(ask: Ask) -> Answer:
    """Make the first account, or give the invited one its password; and sign in."""
    form, key = ask.form, ask.form.get("key", "")
    account = _meant(ask, key)
    name = form.get("name", "") if account is None else account.name
    if form.get("password", "") != form.get("again", ""):
        raise RegistryError(RegistryProblem(name or "account", "the two passwords differ", "type the same twice"))
    password = new_hash(form.get("password", ""), name=name, band=BAND, shared=False)
    with ask.house.writing() as connection:
        if links.take(connection, key, ask.now) is None:
            raise _spent()
        if account is None:
            by = By("console:first-run", ask.now, "first account, by the link of the first run")
            grants, person = (Grant(0, Role.ICT),), form.get("person", "") or None
            account = accounts.add(connection, name, name, grants, by, person=person, password=password)
        else:
            by = By(f"console:{account.name}", ask.now, "by a link that works once")
            accounts.set_password(connection, account.id, password, by)
        account = accounts.get(connection, account.id)
        if account.totp_secret is not None or not account.grants:
            return Go("/sign-in")  # a link stands for the password, never for the phone
        cookie = sessions.begin(connection, account, ask.address, ask.now)
        tell(connection, f"console:{account.name}", "signed in by a link", ask.address, ask.now)
    return Go("/me", session=cookie)


def _meant(ask: Ask, key: str) -> Account | None:
    with ask.house.reading() as connection:
        found = links.look_up(connection, key, ask.now)
        if found is None:
            raise _spent()
        account = None if found[0] is None else accounts.get(connection, found[0])
    if account is not None and account.disabled:
        raise _spent()
    return account


def _spent() -> Refused:
    words = "Each link works once and for a while. `schoolgate console --link` on the gateway prints a new one."
    return Refused("This link does not work", words, 410)


PAGES = (
    Page(
        name="sign-in", path="/sign-in", title="Sign in", show=show_sign_in, act=sign_in, template="signin.html",
        twins=False,
    ),
    Page(
        name="first", path="/first", title="Choose a password", show=show_first, act=make_first, template="first.html",
        twins=False,
    ),
    Page(
        name="sign-out", path="/sign-out", title="Sign out", show=show_signed_out, act=sign_out,
        template="signout.html", twins=False,
    ),
)  # fmt: skip
