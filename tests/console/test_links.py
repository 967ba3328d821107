"""Links that work once: the first account, an invited one; and who may give what."""

from __future__ import annotations

from datetime import timedelta

from console import accounts, links
from console.roles import Grant, Role
from tests.console.rig import PASSWORD, Console, send, sign_in


def first(console: Console) -> str:
    with console.engine.begin() as connection:
        secret = links.first_run(connection, console.now)
    assert secret is not None
    return f"/first?key={secret}"


def test_there_is_no_account_until_somebody_uses_the_link(console: Console) -> None:
    """The first one is ICT services for the trust; the link then works no more, and none is made again."""
    assert sign_in(console.client(), "admin", "admin").status_code == 401
    link, browser = first(console), console.client()
    key = link.partition("=")[2]
    done = send(browser, link, key=key, name="Dana", password=PASSWORD, again=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/me")
    assert "ICT services in the trust" in browser.get("/me").text
    assert [(line.who, line.what) for line in console.trail("sign-in")][:1] == [("console:dana", "signed in by a link")]
    assert console.client().get(link).status_code == 410
    with console.engine.begin() as connection:
        assert links.first_run(connection, console.now) is None
        assert [one.name for one in accounts.accounts(connection)] == ["dana"]
    assert [(line.who, line.what) for line in console.trail("change")] == [("console:first-run", "console.account.add")]


def test_a_link_is_too_old_after_an_hour_and_a_newer_one_replaces_it(console: Console) -> None:
    old, new = first(console), first(console)
    assert console.client().get(old).status_code == 410
    assert console.client().get(new).status_code == 200
    console.now += timedelta(hours=1)
    assert console.client().get(new).status_code == 410


def test_a_weak_password_is_refused_and_the_link_still_works(console: Console) -> None:
    link, browser = first(console), console.client()
    key = link.partition("=")[2]
    for password in ("short", "schoolgate1234", "aaaaaaaaaaaaaaaa"):
        assert send(browser, link, key=key, name="dana", password=password, again=password).status_code == 422
    assert send(browser, link, key=key, name="dana", password=PASSWORD, again="other").status_code == 422
    assert send(browser, link, key=key, name="dana", password=PASSWORD, again=PASSWORD).status_code == 303


def test_an_account_is_made_and_its_owner_chooses_the_password(console: Console) -> None:
    """Nobody ever knows somebody else's password."""
    boss = console.signed_in(Role.ICT)
    made = send(boss, "/accounts", name="sam", title="Sam", role="technician", site="", groups="", why="new here")
    where = made.headers["location"]
    assert sign_in(console.client(), "sam", "").status_code == 401
    page = send(boss, where, do="link")
    link = page.text.partition('data-path="')[2].partition('"')[0]
    browser = console.client()
    assert "sam" in browser.get(link).text
    done = send(browser, link, key=link.partition("=")[2], password=PASSWORD, again=PASSWORD)
    assert done.status_code == 303
    assert browser.get("/log").status_code == 200
    assert browser.get("/accounts").status_code == 403
    send(boss, where, do="disable", why="left us")
    assert browser.get("/log").status_code == 303
    assert sign_in(console.client(), "sam").status_code == 401


def test_who_answers_for_one_site_gives_roles_there_and_sees_accounts_of_it(console: Console) -> None:
    """No way up: not by a role in the trust, not by one of another site, not by changing one's own."""
    console.person("far", Grant(0, Role.TECHNICIAN, "hillview"))
    here = console.signed_in(Role.ICT, "oakwood")
    for site in ("", "hillview"):
        refused = send(here, "/accounts", name="sam", title="", role="governor", site=site, groups="")
        assert refused.status_code == 422
    assert "far" not in here.get("/accounts").text
    with console.engine.begin() as connection:
        far, me = accounts.find(connection, "far"), accounts.find(connection, "ict-services-1")
    assert far is not None
    assert me is not None
    assert here.get(f"/accounts/{far.id}").status_code == 404
    own = send(here, f"/accounts/{me.id}", do="roles", role="technician", site="oakwood", groups="")
    assert own.status_code == 422
    assert "your own account" in own.text


def test_the_last_who_can_give_roles_keeps_theirs(console: Console) -> None:
    boss = console.signed_in(Role.ICT)
    console.person("other", Grant(0, Role.ICT))
    with console.engine.begin() as connection:
        other = accounts.find(connection, "other")
        me = accounts.find(connection, "ict-services-1")
    assert other is not None
    assert me is not None
    assert send(boss, f"/accounts/{other.id}", do="disable", why="left").status_code == 303
    send(boss, f"/accounts/{other.id}", do="enable", why="back")
    browser = console.client()
    sign_in(browser, "other")
    assert send(browser, f"/accounts/{me.id}", do="disable", why="left").status_code == 303
    with console.engine.begin() as connection:
        assert [one.state for one in accounts.accounts(connection)] == ["disabled", "active"]
