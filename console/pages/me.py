"""One's own account: which role to act in, password, authenticator app, sessions."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from console import accounts, qr, sessions, totp
from console.page import Answer, Ask, Go, Page, Shown
from console.pages.signin import BAND
from console.signin import count_wrong, tell, waiting
from identity.basic import Credentials, PasswordCheck
from identity.directory import Person
from registry.change import RegistryError, RegistryProblem
from registry.passwords import new_hash

_check = PasswordCheck(remember=0.0)


def show(ask: Ask) -> Answer:
    """What is known of whoever asks, and the forms."""
    with ask.house.reading() as connection:
        account = accounts.get(connection, ask.me.account)
        living = sessions.of_account(connection, account.id, ask.now)
    # A fresh secret on every look: it counts once a code of it was typed.
    fresh = ask.form.get("secret") or totp.new_secret()
    view = {
        "account": account,
        "fresh": fresh,
        "address": totp.address(fresh, account.name),
        "code": qr.drawn(totp.address(fresh, account.name), "The key as a code to scan; the same stands beside it"),
        "problems": ask.problems,
        "done": ask.query.get("done", ""),
    }
    return Shown(data={"account": accounts.facts(account), "sessions": living}, view=view)


def act(ask: Ask) -> Answer:
    """Do what one of the forms asks for."""
    match ask.form.get("do", ""):
        case "act-as":
            with ask.house.writing() as connection:
                number = ask.form.get("grant", "")
                if number.isdecimal():
                    sessions.act_as(connection, ask.me, int(number))
            return Go("/")
        case "password":
            _change_password(ask)
        case "second-factor":
            _begin_second_factor(ask)
        case "no-second-factor":
            _prove(ask, code=True)
            with ask.house.writing() as connection:
                accounts.set_second_factor(connection, ask.me.account, None, ask.by("by its owner"))
        case "end-others":
            with ask.house.writing() as connection:
                accounts.end_sessions(connection, ask.me.account, but=ask.me.session)
        case _:
            raise RegistryError(RegistryProblem("form", "says nothing to do"))
    return Go(f"/me?done={ask.form['do']}") if ask.form["do"] != "password" else Go("/sign-in", session="")


def _prove(ask: Ask, *, code: bool = False) -> None:
    """Whoever changes how one signs in knows the password (and `code`: has the phone): an open laptop is not enough.

    Wrong ones count as those at sign-in do, and wait as long.
    """
    with ask.house.reading() as connection:
        account = accounts.get(connection, ask.me.account)
        wait = waiting(connection, account.name, ask.address, ask.now)
    if wait > timedelta(0):
        seconds = max(1, round(wait.total_seconds()))
        raise RegistryError(RegistryProblem(account.name, "too many wrong tries", f"try again in {seconds} s"))
    person = Person(account.name, account.password_hash)
    right = _check.verify(Credentials(account.name, ask.form.get("now", "")), person)
    with ask.house.writing() as connection:
        if right and (not code or _has_phone(connection, ask, account)):
            # Nothing is forgiven here: a right password must not buy more guesses at the code.
            return
        count_wrong(connection, account.name, ask.address, ask.now)
        tell(connection, ask.me.who, "proof refused", ask.address, ask.now)
    if right:
        raise RegistryError(RegistryProblem(account.name, "that is not the code shown now", "type the one of the app"))
    raise RegistryError(RegistryProblem(account.name, "that is not the password in use", "type the present one"))


def _has_phone(connection: Connection, ask: Ask, account: accounts.Account) -> bool:
    if account.totp_secret is None:
        return True
    step = totp.check(account.totp_secret, ask.form.get("code", ""), ask.now, account.totp_step)
    return step is not None and accounts.use_code(connection, account.id, step)


def _change_password(ask: Ask) -> None:
    _prove(ask)
    if ask.form.get("password", "") != ask.form.get("again", ""):
        raise RegistryError(RegistryProblem(ask.me.name, "the two passwords differ", "type the same twice"))
    password = new_hash(ask.form.get("password", ""), name=ask.me.name, band=BAND, shared=False)
    with ask.house.writing() as connection:
        accounts.set_password(connection, ask.me.account, password, ask.by("by its owner"))


def _begin_second_factor(ask: Ask) -> None:
    _prove(ask)
    secret = ask.form.get("secret", "")
    try:
        step = totp.check(secret, ask.form.get("code", ""), ask.now, 0)
    except ValueError:
        step = None
    if step is None or len(secret) != 32:
        raise RegistryError(RegistryProblem(ask.me.name, "that code is not of this key", "type the one shown now"))
    with ask.house.writing() as connection:
        accounts.set_second_factor(connection, ask.me.account, secret, ask.by("by its owner"), step)


PAGES = (Page(name="me", path="/me", title="Your account", show=show, act=act, template="me.html"),)
