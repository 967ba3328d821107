"""Who is asking: an address, a password; nothing else, and never longer than it is true."""

from __future__ import annotations

import base64
import threading

import pytest

from addons.identify import CHECKERS
from identity.attempts import ACCOUNT_HERE
from identity.basic import Credentials
from identity.directory import Person
from policy.client import STRICTEST_BAND
from tests.addons.host import Host
from tests.addons.people import CLASS, EVERYBODY, PASSWORD, PUPIL, TEACHER, disabled, put_in_force
from tests.rig.clients import Raw, basic, curl
from tests.rig.origin import Origin

GET = "GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n{more}\r\n"


@pytest.fixture(autouse=True)
def everybody(host: Host) -> None:
    """The register as it was at the start."""
    put_in_force(host, *EVERYBODY, revision="everybody")


@pytest.mark.parametrize(
    ("person", "band", "shared"), [(PUPIL, "ks3", False), (TEACHER, "staff", False), (CLASS, "ks4", True)]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_right_password_makes_a_name_a_fact(
    host: Host, name: str, person, band: str, shared: bool, scheme: str
) -> None:
    """Name, band, how known, verified, shared: in the row, over HTTP and inside a tunnel."""
    assert curl(host, f"{scheme}://{name}/page", user=f"{person.name}:{PASSWORD}").status == 200
    row = host.rows()[-1]
    assert (row.user, row.band, row.user_source, row.verified, row.shared) == (person.name, band, "basic", True, shared)


@pytest.mark.parametrize(
    "header",
    [
        basic(PUPIL.name, "wrong"),
        basic("nobody", PASSWORD),
        basic("", ""),
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"pupil-1:a\0b").decode(),
        "Basic " + "A" * 10000,
        "Bearer " + base64.b64encode(f"pupil-1:{PASSWORD}".encode()).decode(),
        "Negotiate YII=",
        basic(PUPIL.name, PASSWORD) + ", " + basic(TEACHER.name, PASSWORD),
    ],
)
def test_a_sign_in_that_is_not_proved_opens_nothing(host: Host, origin: Origin, name: str, header: str) -> None:
    """Also where sign-in is optional: it never turns into browsing without a name."""
    with Raw(host) as raw:
        raw.send(GET.format(name=name, more=f"Proxy-Authorization: {header}\r\n").encode())
        answer = raw.answer()
    assert (answer.status, answer.headers["proxy-authenticate"]) == (
        407,
        'Basic realm="School internet", charset="UTF-8"',
    )
    assert not origin.contacted(name)
    row = host.rows()[-1]
    assert (row.user, row.verified, row.blocked, row.reason) == (None, False, True, "identity")


def test_the_password_never_leaves_the_gateway(host: Host, origin: Origin, name: str) -> None:
    """Not to the origin, not in the row."""
    curl(host, f"http://{name}/page", user=f"{PUPIL.name}:{PASSWORD}")
    assert all(header != "proxy-authorization" for header, _ in origin.seen(name)[0].headers)
    assert PASSWORD not in repr(host.rows()[-1])


def test_a_proxy_header_inside_a_tunnel_says_nothing(host: Host, name: str) -> None:
    """A page's script could send it; who opened the tunnel is who asks."""
    curl(host, f"https://{name}/page", "-H", f"Proxy-Authorization: {basic(TEACHER.name, PASSWORD)}")
    row = host.rows()[-1]
    assert (row.user, row.band, row.verified) == (None, "ks4", False)


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 10.1.1.1", "X-Forwarded-User: teacher-1", "Remote-User: teacher-1", "From: teacher-1"]
)
def test_no_other_header_is_evidence(host: Host, name: str, header: str) -> None:
    """Design 5.7."""
    curl(host, f"http://{name}/page", "-H", header)
    row = host.rows()[-1]
    assert (row.user, row.verified, row.client_address) == (None, False, "127.0.2.10")


@pytest.mark.parametrize(
    ("register", "status", "user"),
    [
        ((disabled(PUPIL),), 403, PUPIL.name),
        ((), 403, PUPIL.name),  # a leaver
        ((TEACHER, PUPIL), 200, PUPIL.name),  # somebody else changed
    ],
    ids=["disabled", "gone", "others"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_change_of_people_holds_on_open_connections(
    host: Host, name: str, register, status: int, user: str, scheme: str
) -> None:
    """B-21: the next request on the same connection, not the next connection; the row keeps the name."""
    who = f"Proxy-Authorization: {basic(PUPIL.name, PASSWORD)}\r\n"
    with Raw(host) as raw:
        if scheme == "https":
            assert raw.tunnel(f"{name}:443", sign_in=basic(PUPIL.name, PASSWORD)) == 200
            raw.secure(name)
            request = f"GET /page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
        else:
            request = GET.format(name=name, more=who).encode()
        raw.send(request)
        assert raw.answer().status == 200
        put_in_force(host, *register, revision=f"changed-{name}")
        raw.send(request)
        # A plain request proves itself anew: to a leaver's name no password is right.
        gone = scheme == "http" and not register
        assert raw.answer().status == (407 if gone else status)
    row = host.rows()[-1]
    assert (row.user, row.blocked) == (None if gone else user, status != 200)


def test_guessing_is_slowed_down_and_the_right_password_waits_too(host: Host, name: str) -> None:
    """After five wrong passwords the next is not even looked at, right or wrong: no oracle. Nobody else waits."""
    for number in range(6):
        curl(host, f"http://{name}/page", user=f"{TEACHER.name}:wrong-{number}", source="127.0.9.9")
    assert curl(host, f"http://{name}/page", user=f"{TEACHER.name}:{PASSWORD}x", source="127.0.9.9").status == 407
    assert curl(host, f"http://{name}/page", user=f"{TEACHER.name}:{PASSWORD}", source="127.0.9.10").status == 200
    assert host.live.passwords.attempts.wait(TEACHER.name, "127.0.9.9", host.live.now())


def test_guesses_sent_all_at_once_are_not_all_looked_at(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty connections with a guess each, before the first is looked at: no more than one after the other."""
    verify, looked_at, sent = host.live.passwords.verify, list[str](), threading.Event()

    def counted(credentials: Credentials, person: Person | None) -> bool:
        sent.wait(10)
        looked_at.append(credentials.password)
        return verify(credentials, person)

    monkeypatch.setattr(host.live.passwords, "verify", counted)
    guessers = [Raw(host, source="127.0.9.20") for _ in range(60)]
    for number, raw in enumerate(guessers):
        header = f"Proxy-Authorization: {basic(TEACHER.name, f'at-once-{number}')}\r\n"
        raw.send(GET.format(name=name, more=header).encode())
    sent.set()
    assert [raw.answer().status for raw in guessers] == [407] * 60
    assert ACCOUNT_HERE.free <= len(looked_at) <= ACCOUNT_HERE.free + CHECKERS
    for raw in guessers:
        raw.socket.close()


def test_a_password_is_checked_off_the_event_loop(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one check hangs, everybody else browses on."""
    hanging, asked = threading.Event(), threading.Event()

    def slow(*_: object) -> bool:
        asked.set()
        return hanging.wait(10)

    monkeypatch.setattr(host.live.passwords, "verify", slow)
    with Raw(host) as raw:
        raw.send(
            GET.format(name=name, more=f"Proxy-Authorization: {basic('pupil-1', 'not asked before')}\r\n").encode()
        )
        assert asked.wait(5)
        assert curl(host, f"http://{name}/page", seconds=5).status == 200
        hanging.set()
        assert raw.answer().status == 200


def test_our_own_fault_believes_nobody(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken check is the strictest band, not the last one known."""

    def broken(*_: object) -> bool:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(host.live.passwords, "quick", broken)
    curl(host, f"http://{name}/page", user=f"{TEACHER.name}:{PASSWORD}")
    row = host.rows()[-1]
    assert (row.user, row.verified, row.band, row.blocked) == (None, False, str(STRICTEST_BAND), True)


@pytest.mark.parametrize(("sign_in", "status"), [("off", 200), ("optional", 407), ("required", 407)])
def test_the_setting_says_whether_a_sign_in_is_looked_at(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, sign_in: str, status: int
) -> None:
    """With `off` a header is nothing."""
    monkeypatch.setattr(host.live, "sign_in", sign_in)
    assert curl(host, f"http://{name}/page", user="nobody:nothing").status == status
    assert host.rows()[-1].user is None


def test_one_account_on_two_machines_is_told(host: Host, name: str) -> None:
    """B-19: A, B and A again within minutes; told once, and not for a class login."""
    told: list[tuple[str, dict]] = []
    host.live.spool.fact, kept = (lambda kind, payload: told.append((kind, payload))), host.live.spool.fact
    try:
        for source in ("127.0.8.1", "127.0.8.2", "127.0.8.1", "127.0.8.2"):
            curl(host, f"http://{name}/page", user=f"{PUPIL.name}:{PASSWORD}", source=source)
            curl(host, f"http://{name}/page", user=f"{CLASS.name}:{PASSWORD}", source=source)
    finally:
        host.live.spool.fact = kept
    assert [(kind, payload["user"]) for kind, payload in told] == [("concurrent-use", PUPIL.name)]
    assert set(told[0][1]["addresses"]) == {"127.0.8.1", "127.0.8.2"}
