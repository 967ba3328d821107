"""Who is asking: the sign-in of the proxy, wrong passwords, disabled people, and headers nobody believes.

Shows: `addons.identify`, `addons.recheck`, `proxy.userchanges`, `proxy.userlines`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig.clients import Browser, Raw, basic, curl
from tests.rig.gateway import READY, TEACHER, YEAR_4, Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
BOTH = pytest.mark.parametrize("scheme", ["http", "https"])
PASSWORD = "correct-horse-battery-11"
PUPIL = "pupil-0417"


def add_person(gateway: Gateway, person: str, *words: str) -> None:
    done = gateway.command("users", "add", person, *words, "--password-stdin", text=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority) -> Iterator[Gateway]:
    """A gateway that asks everybody to sign in, with a pupil, a teacher and a class login."""
    gateway = Gateway(
        tmp_path_factory.mktemp("school"),
        origin=origin.address,
        trust=authority.pem,
        settings={"identity": {"sign_in": "required"}},
    )
    try:
        gateway.start(READY)
        add_person(gateway, PUPIL, "--groups", "year-4")
        add_person(gateway, "teacher-ash", "--groups", "teaching-staff")
        add_person(gateway, "class-4b", "--groups", "year-4", "--shared")
        wait_for(
            lambda: curl(gateway, "http://ready.example/", user=f"class-4b:{PASSWORD}").status == 200,
            "the people to be in force",
        )
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@BOTH
def test_nobody_browses_without_signing_in(school: Gateway, origin: Origin, name: str, scheme: str) -> None:
    answer = curl(school, f"{scheme}://{name}/page")
    status = answer.status if scheme == "http" else answer.connect_status
    assert status == 407
    assert not origin.contacted(name)
    (row,) = school.wait_for_rows(1, host=name)
    assert (row["reason"], row["user"], row["verified"], row["blocked"]) == ("identity", None, False, True)


def test_the_sign_in_box_names_the_school(school: Gateway, name: str) -> None:
    """RFC 7617: a Basic challenge with a realm, UTF-8 passwords."""
    with Raw(school) as raw:
        raw.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = raw.answer()
    assert answer.headers["proxy-authenticate"].startswith('Basic realm="School internet"')


@BOTH
def test_a_pupil_signs_in_and_the_row_says_who(school: Gateway, name: str, scheme: str) -> None:
    answer = curl(school, f"{scheme}://{name}/page", user=f"{PUPIL}:{PASSWORD}", source=YEAR_4)
    assert answer.status == 200, answer.error
    (row,) = school.wait_for_rows(1, host=name, user=PUPIL)
    expected = {"user_source": "basic", "verified": True, "shared": False, "band": "ks2", "site": "oakwood"}
    assert {key: row[key] for key in expected} == expected
    assert PASSWORD not in str(row)


def test_signing_in_counts_for_the_whole_connection(school: Gateway, name: str) -> None:
    """Browsers answer the 407 of a CONNECT on the same connection; requests inside carry no proxy header."""
    with Browser(school, user=(PUPIL, PASSWORD), source=YEAR_4) as browser:
        for number in range(5):
            assert browser.fetch(f"https://{name}/page?n={number}").status == 200
    rows = school.wait_for_rows(5, host=name)
    assert {row["user"] for row in rows} == {PUPIL}


@pytest.mark.parametrize(
    ("said", "error"), [(b"GET /page HT", "half a request"), (b"", "nothing asked")], ids=["half a request", "nothing"]
)
def test_the_tunnel_behind_a_sign_in_has_its_own_row(school: Gateway, name: str, said: bytes, error: str) -> None:
    """The row of the CONNECT that was asked for a password does not tell of what became of the next one."""
    with Raw(school, source=YEAR_4) as raw:
        raw.send(f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert raw.answer().status == 407
        assert raw.tunnel(f"{name}:443", sign_in=basic(PUPIL, PASSWORD)) == 200
        raw.secure(name)
        raw.send(said)
    rows = school.wait_for_rows(2, host=name)
    assert [(row["ending"], row["error"], row["user"]) for row in rows if row["ending"] != "refused"] == [
        ("aborted", error, PUPIL)
    ]


@pytest.mark.parametrize(
    "credentials",
    [f"{PUPIL}:wrong", f"nobody-here:{PASSWORD}", f"{PUPIL}:", ":", f"{PUPIL.upper()}x:{PASSWORD}"],
    ids=["wrong password", "unknown person", "empty password", "nothing", "another name"],
)
def test_a_wrong_sign_in_is_refused(school: Gateway, origin: Origin, name: str, credentials: str) -> None:
    assert curl(school, f"http://{name}/page", user=credentials).status == 407
    assert curl(school, f"https://{name}/page", user=credentials).connect_status == 407
    assert not origin.contacted(name)
    rows = school.wait_for_rows(2, host=name)
    assert all(row["user"] is None and not row["verified"] for row in rows), "an unproved name is not logged as fact"


@pytest.mark.parametrize(
    "header", ["Basic", "Basic ====", "Basic !!!!", "Basic \x80\xff", "Bearer abc", "Negotiate YII=", "B" * 60000]
)
def test_a_broken_sign_in_header_is_refused(school: Gateway, origin: Origin, name: str, header: str) -> None:
    with Raw(school) as raw:
        raw.send(
            f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\nProxy-Authorization: {header}\r\n\r\n".encode("latin-1")
        )
        assert raw.answer().status in (400, 407)
    assert not origin.contacted(name)


IMPOSTURES = ("X-User", "X-Forwarded-User", "X-Authenticated-User", "Remote-User", "X-Remote-User", "From")


@pytest.mark.parametrize("header", IMPOSTURES)
def test_a_name_in_a_header_is_never_believed(gateway: Gateway, name: str, header: str) -> None:
    """Design §5.7; the address still decides site and band."""
    words = ("-H", f"{header}: headteacher", "-H", "X-Forwarded-For: 127.0.2.99", "-H", "Forwarded: for=127.0.2.99")
    assert curl(gateway, f"http://{name}/page", *words, source=YEAR_4).status == 200
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["user"], row["verified"], row["client_address"], row["band"]) == (None, False, YEAR_4, "ks2")


def test_a_class_login_is_marked_as_shared(school: Gateway, name: str) -> None:
    curl(school, f"https://{name}/page", user=f"class-4b:{PASSWORD}")
    (row,) = school.wait_for_rows(1, host=name, user="class-4b")
    assert row["shared"] is True


def test_the_person_decides_not_the_machine(school: Gateway) -> None:
    """A pupil at a staff-room machine is still a pupil."""
    url = "https://www.roblox.com/"
    assert curl(school, url, user=f"{PUPIL}:{PASSWORD}", source=TEACHER).status == 403
    assert curl(school, url, user=f"teacher-ash:{PASSWORD}", source=TEACHER).status == 200


@BOTH
def test_a_disabled_user_is_refused_at_once_on_an_open_connection(school: Gateway, name: str, scheme: str) -> None:
    person = f"pupil-{scheme}"
    add_person(school, person, "--groups", "year-4")
    url = f"{scheme}://{name}/page"
    wait_for(lambda: curl(school, url, user=f"{person}:{PASSWORD}").status == 200, "the new pupil to be in force")
    with Browser(school, user=(person, PASSWORD)) as browser:
        assert browser.fetch(url).status == 200
        done = school.command("users", "disable", person)
        assert done.returncode == 0, done.stderr
        wait_for(lambda: browser.fetch(url).status in (403, 407), "the open connection to be refused", seconds=5)
    rows = wait_for(lambda: school.rows(host=name, reason="identity"), "the row of the refusal")
    assert rows[0]["blocked"] is True


def test_guessing_passwords_is_slowed_down(school: Gateway, name: str) -> None:
    """Thirty wrong passwords from one address do not keep the others waiting, nor do they open anything."""
    seat = "127.0.1.77"
    with Browser(school, source=seat) as attacker:
        statuses = set()
        for number in range(30):
            attacker.sign_in = {"Proxy-Authorization": basic(PUPIL, f"guess-{number}")}
            statuses.add(attacker.fetch(f"http://{name}/page").status)
    assert statuses <= {407, 403, 429}
    calm = curl(school, f"http://{name}/page", user=f"teacher-ash:{PASSWORD}")
    assert (calm.status, calm.seconds < 3) == (200, True)
