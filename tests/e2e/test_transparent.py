"""Devices that know of no proxy, in a network of their own: what the firewall redirects is decided and recorded like
any other traffic, and no forged name leads anywhere else.

Shows: `proxy.redirected`, `addons.transparent`.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.addons.test_clienthello import real_hello
from tests.rig.certificates import Authority
from tests.rig.gateway import Gateway
from tests.rig.namespaces import (
    DEVICE,
    DEVICE_6,
    ELSEWHERE,
    ELSEWHERE_6,
    INSIDE,
    INSIDE_6,
    OTHER_DEVICE,
    OUTSIDE,
    OUTSIDE_6,
    SITE,
    SITE_6,
    SchoolNetwork,
)
from tests.rig.origin import Origin
from tests.rig.transparent import LESSONS, PORT, SIX, School, asked, gateway_in, load, rest_of, websites
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EVERYWHERE = [(SITE, DEVICE, LESSONS), (SITE_6, DEVICE_6, SIX)]


@pytest.fixture(scope="module")
def network() -> Iterator[SchoolNetwork]:
    network = SchoolNetwork().make()
    try:
        load(network)
        yield network
    finally:
        network.remove()


@pytest.fixture(scope="module")
def site(network: SchoolNetwork, authority: Authority) -> Iterator[Origin]:
    yield from websites(network, authority, SITE, SITE_6)


@pytest.fixture(scope="module")
def elsewhere(network: SchoolNetwork, authority: Authority) -> Iterator[Origin]:
    yield from websites(network, authority, ELSEWHERE, ELSEWHERE_6)


@pytest.fixture(scope="module")
def only_gateway(
    network: SchoolNetwork, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Gateway]:
    gateway = gateway_in(network, tmp_path_factory.mktemp("transparent"), authority, {})
    try:
        yield gateway.start()
        assert gateway.stop() == 0
    finally:
        gateway.kill()


@pytest.fixture
def school(
    request: pytest.FixtureRequest, network: SchoolNetwork, only_gateway: Gateway, site: Origin, elsewhere: Origin
) -> Iterator[School]:
    yield School(network, only_gateway, site, elsewhere)
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        print(f"\n--- the gateway's log ---\n{only_gateway.output[-6000:]}")


@pytest.fixture
def path(name: str) -> str:
    """A path no other test asks for."""
    return f"/{name}"


# -- like any other traffic ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("at", "source", "host"), EVERYWHERE, ids=["IPv4", "IPv6"])
def test_a_page_is_allowed_and_recorded(
    school: School, path: str, scheme: str, at: str, source: str, host: str
) -> None:
    answer = school.fetch(f"{scheme}://{host}", path, at, source)
    assert (answer.status, b"origin content" in answer.body) == (200, True)
    (row,) = school.gateway.wait_for_rows(1, path=path)
    assert (row["client_address"], row["scheme"], row["host"], row["band"]) == (source, scheme, host, "ks2")
    assert (row["action"], row["ending"], row["status"], row["method"]) == ("allow", "response", 200, "GET")
    assert row["port"] == (443 if scheme == "https" else 80)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("at", "source"), [(SITE, DEVICE), (SITE_6, DEVICE_6)], ids=["IPv4", "IPv6"])
def test_a_page_is_blocked_with_our_page(school: School, path: str, scheme: str, at: str, source: str) -> None:
    """Inside TLS, too, which the origin never hears of."""
    answer = school.fetch(f"{scheme}://blocked.example", path, at, source)
    assert answer.status == 403
    assert "Oakwood Primary" in answer.text
    (row,) = school.gateway.wait_for_rows(1, path=path)
    assert (row["client_address"], row["blocked"], row["rule"]) == (source, True, "blocked-everywhere")
    assert not school.site.contacted("blocked.example")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_each_request_of_a_connection_is_decided(school: School, path: str, scheme: str) -> None:
    """The first may pass, the second not, the third again: by page, and by the name it says."""
    end = school.open("mixed.example") if scheme == "https" else school.network.connect((SITE, 80))
    with end:
        statuses = [asked(end, "mixed.example", f"{p}{path}").status for p in ("/open", "/closed", "/open")]
        other = asked(end, "blocked.example", path).status
    assert (statuses, other) == ([200, 403, 200], 403)
    assert school.gateway.wait_for_rows(1, path=path)[0]["rule"] == "blocked-everywhere"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_upload_arrives_whole(school: School, path: str, scheme: str) -> None:
    answer = school.fetch(f"{scheme}://{LESSONS}", path, body=b"homework" * 100_000)
    assert answer.status == 200
    assert school.gateway.wait_for_rows(1, path=path)[0]["bytes_up"] == 800_000


def test_a_warning_is_shown_and_passed(school: School, path: str) -> None:
    answer = school.fetch("https://warn.example", path)
    assert (answer.status, "Oakwood Primary" in answer.text) == (403, True)
    assert school.gateway.wait_for_rows(1, path=path)[0]["action"] == "warn"


def test_what_is_not_decrypted_passes_as_it_is(school: School) -> None:
    """The device sees the bank's own certificate, and the row the bank's name."""
    context = ssl.create_default_context(cafile=str(school.site.authority.pem))
    with context.wrap_socket(school.network.connect((SITE, 443), OTHER_DEVICE), server_hostname="bank.example") as end:
        assert asked(end, "bank.example", "/page").status == 200
    (row,) = school.gateway.wait_for_rows(1, host="bank.example", client_address=OTHER_DEVICE)
    assert (row["action"], row["method"], row["ending"], row["path"]) == ("bypass", "CONNECT", "bypassed", None)
    assert row["bytes_down"] > 100


# -- names that are not true --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("at", "source"), [(ELSEWHERE, DEVICE), (ELSEWHERE_6, DEVICE_6)], ids=["IPv4", "IPv6"])
def test_a_forged_name_does_not_reach_another_address(
    school: School, path: str, scheme: str, at: str, source: str
) -> None:
    """A pupil's program says a lesson's name to the address of something else, and gets the lesson."""
    before = school.elsewhere.connections
    answer = school.fetch(f"{scheme}://{LESSONS}", path, at, source)
    assert (answer.status, school.elsewhere.connections) == (200, before)
    assert [arrival.host for arrival in school.site.arrivals if arrival.path == path] == [LESSONS]


def test_a_banks_name_opens_no_tunnel_to_another_address(school: School) -> None:
    """What passes unread goes where the name leads."""
    before = school.elsewhere.connections
    context = ssl.create_default_context(cafile=str(school.site.authority.pem))
    with context.wrap_socket(school.network.connect((ELSEWHERE, 443)), server_hostname="bank.example") as end:
        assert asked(end, "bank.example", "/tunnel").status == 200
    assert school.elsewhere.connections == before
    assert any(arrival.path == "/tunnel" for arrival in school.site.arrivals)


def test_another_name_inside_tls_is_decided_too(school: School, path: str) -> None:
    assert school.fetch(f"https://{LESSONS}", path, host="blocked.example").status == 403
    assert school.gateway.wait_for_rows(1, path=path)[0]["rule"] == "blocked-everywhere"


def test_a_whole_address_is_decided_by_the_name_in_it(school: School) -> None:
    """Some programs write one although they know of no proxy; Host says something else."""
    for target, status in ((f"http://{LESSONS}/whole", 200), ("http://blocked.example/whole", 403)):
        assert school.fetch(f"http://{LESSONS}", target).status == status
    assert not school.site.contacted("blocked.example")


@pytest.mark.parametrize(
    "target", ["http://lessons.example:8080/", "https://lessons.example/", "ftp://lessons.example/"]
)
def test_a_whole_address_leads_to_no_other_port(school: School, target: str) -> None:
    before = school.site.connections
    assert school.fetch(f"http://{LESSONS}", target).status == 400
    assert school.site.connections == before


def test_a_device_is_not_given_a_tunnel(school: School) -> None:
    before = school.refused()
    with school.network.connect((SITE, 80)) as end:
        end.sendall(f"CONNECT {LESSONS}:443 HTTP/1.1\r\nHost: {LESSONS}:443\r\n\r\n".encode())
        assert rest_of(end).startswith(b"HTTP/1.1 400")
    wait_for(lambda: school.refused() > before, "a row of it")
    assert school.gateway.wait_for_rows(1, note="a CONNECT that was redirected", host=SITE, port=80)


# -- no name --------------------------------------------------------------------------------------------------------


def test_tls_without_a_name_goes_by_the_address(school: School, path: str) -> None:
    """Decrypted with a certificate for the address, and decided by it."""
    with school.open(None, ELSEWHERE) as end:
        assert asked(end, ELSEWHERE, path).status == 200
    (row,) = school.gateway.wait_for_rows(1, path=path)
    assert (row["host"], row["note"]) == (ELSEWHERE, "ip-literal")


def test_the_bank_without_its_name_is_not_passed_by(school: School, path: str) -> None:
    """Its address alone proves nothing."""
    with school.open(None, SITE) as end:  # our certificate, or this would fail
        asked(end, "bank.example", path)
    (row,) = school.gateway.wait_for_rows(1, path=path)
    assert (row["host"], row["action"] == "bypass") == (SITE, False)


def test_a_blocked_name_is_blocked_when_only_the_request_says_it(school: School, path: str) -> None:
    with school.open(None, SITE) as end:
        assert asked(end, "blocked.example", path).status == 403
    assert school.gateway.wait_for_rows(1, path=path)[0]["rule"] == "blocked-everywhere"


def test_plain_http_without_a_name_goes_by_the_address(school: School) -> None:
    with school.network.connect((ELSEWHERE, 80)) as end:
        end.sendall(b"GET /nameless HTTP/1.0\r\n\r\n")
        assert b" 200 " in rest_of(end)
    assert school.gateway.wait_for_rows(1, path="/nameless")[0]["host"] == ELSEWHERE


@pytest.mark.parametrize("port", [80, 443])
@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.9\r\n", b"\x13BitTorrent protocol", b"\x16\xff\xff\x00"])
def test_what_is_not_web_traffic_is_closed(school: School, port: int, said: bytes) -> None:
    before = school.gateway.rows(ending="refused", host=SITE, port=port)
    with school.network.connect((SITE, port)) as end:
        end.sendall(said)
        assert rest_of(end) == b""
    rows = wait_for(
        lambda: (
            found if len(found := school.gateway.rows(ending="refused", host=SITE, port=port)) > len(before) else []
        ),
        "a row of it",
    )
    assert (rows[0]["client_address"], rows[0]["blocked"], rows[0]["note"]) == (DEVICE, True, "not TLS or HTTP")


def test_half_a_message_leaves_a_row_of_where_it_was_going(school: School) -> None:
    told = {"ending": "refused", "host": SITE, "port": 443, "note": "half a ClientHello", "reason": "guard"}
    with school.network.connect((SITE, 443)) as end:
        end.sendall(real_hello(LESSONS, [])[:70])
        end.shutdown(socket.SHUT_WR)
        assert rest_of(end) == b""
    school.gateway.wait_for_rows(1, **told)


# -- nobody comes straight to the port --------------------------------------------------------------------------------

OWN = [INSIDE, OUTSIDE, INSIDE_6, OUTSIDE_6]
HERE = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::ffff:127.0.0.1", INSIDE]


def test_the_firewall_turns_away_who_comes_directly(school: School) -> None:
    for address in OWN:
        with pytest.raises(ConnectionRefusedError):
            school.network.connect((address, PORT))


def test_without_the_firewalls_guard_the_gateway_turns_them_away_itself(school: School) -> None:
    """From outside and from the machine itself, by every form of its address: nothing leads it to itself."""
    network, before = school.network, school.refused()
    network.run(network.gateway, network.nft, "flush", "chain", "inet", "schoolgate", "guarding")
    try:
        ends = [network.connect((address, PORT)) for address in OWN]
        ends += [network.inside(network.gateway, partial(socket.create_connection, (at, PORT), 20)) for at in HERE]
        for end in ends:
            with end, contextlib.suppress(ConnectionError):
                end.sendall(f"GET / HTTP/1.1\r\nHost: {LESSONS}\r\n\r\n".encode())
                assert rest_of(end) == b""
    finally:
        load(network)
    rows = wait_for(
        lambda: found if len(found := school.gateway.rows(ending="refused")) >= before + len(ends) else [], "their rows"
    )
    assert {row["note"] for row in rows[: len(ends)]} == {"not redirected"}
    assert {(row["host"], row["port"]) for row in rows[: len(ends)]} >= {(address, PORT) for address in OWN}


@pytest.mark.parametrize("address", OWN)
def test_a_redirected_connection_to_the_gateway_itself_is_closed(school: School, address: str) -> None:
    """With rules that redirect too much."""
    load(school.network, lambda rules: rules.replace("iifname $pupils fib daddr type local return", ""))
    try:
        with school.network.connect((address, 80)) as end:
            assert rest_of(end) == b""
    finally:
        load(school.network)
    told = {"ending": "refused", "host": address, "port": 80}
    wait_for(lambda: [r for r in school.gateway.rows(**told) if r["note"] == "own address"], "a row of it")


@pytest.mark.parametrize("host", [INSIDE, f"[{INSIDE_6}]", "127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
def test_a_request_that_names_the_gateway_is_refused(school: School, path: str, host: str) -> None:
    with school.network.connect((SITE, 80)) as end:
        assert asked(end, host, path).status == 403
    (row,) = school.gateway.wait_for_rows(1, path=path)
    assert (row["blocked"], row["reason"]) == (True, "guard")


def test_tls_that_names_the_gateway_is_refused(school: School, path: str) -> None:
    assert school.fetch("https://localhost", path).status == 403
    assert school.gateway.wait_for_rows(1, path=path)[0]["reason"] == "guard"


def test_the_guarded_port_is_not_reached_by_the_explicit_proxy(school: School) -> None:
    for address in (INSIDE, "127.0.0.1", f"[{INSIDE_6}]"):
        with school.network.connect((INSIDE, school.gateway.port)) as end:
            end.sendall(f"GET http://{address}:{PORT}/ HTTP/1.1\r\nHost: {address}:{PORT}\r\n\r\n".encode())
            assert end.recv(12) == b"HTTP/1.1 403"


def test_quic_is_refused_at_once(school: School) -> None:
    """So that browsers come back over TCP without a wait."""

    def ask() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.settimeout(20)
            end.connect((SITE, 443))
            end.send(b"hello")
            end.recv(10)

    with pytest.raises(ConnectionRefusedError):
        school.network.inside(school.network.device, ask)


# -- a lesson goes on -----------------------------------------------------------------------------------------------


def test_workers_are_replaced_in_the_middle_of_a_lesson(
    network: SchoolNetwork, site: Origin, tmp_path: Path, authority: Authority, path: str
) -> None:
    """Two workers, and sign-in required of everybody else: no device is asked to, nothing fails, every row is there."""
    gateway = gateway_in(
        network,
        tmp_path / "gateway",
        authority,
        {"proxy": {"transparent": [":8091"], "workers": 2}, "identity": {"sign_in": "required"}},
    )
    load(network, lambda rules: rules.replace("8090", "8091"))
    school = School(network, gateway, site, site)
    stop, numbers, failed, passed = threading.Event(), itertools.count(), list[str](), list[str]()

    def pupil(number: int) -> None:
        scheme = ("http", "https")[number % 2]
        while not stop.is_set():
            query = f"{path}?n={number}-{next(numbers)}"
            try:
                status = school.fetch(f"{scheme}://{LESSONS}", query, more="Proxy-Authorization: Basic eDp5\r\n").status
                (passed if status == 200 else failed).append(f"{query}: {status}")
            except OSError as error:
                failed.append(f"{query}: {error!r}")

    pupils = [threading.Thread(target=pupil, args=(number,)) for number in range(4)]
    try:
        gateway.start()
        for thread in pupils:
            thread.start()
        wait_for(lambda: len(passed) > 40, "the lesson to have begun", seconds=60)
        done = gateway.command("reload", "--restart", "--json", seconds=180)
        assert done.returncode == 0, done.stdout + done.stderr
        by_then = len(passed)
        wait_for(lambda: len(passed) > by_then + 60, "the lesson to go on", seconds=60)
        stop.set()
        for thread in pupils:
            thread.join(60)
        assert failed == []
        arrived = [arrival for arrival in site.arrivals if arrival.path == path]
        rows = wait_for(
            lambda: found if len(found := gateway.rows(path=path)) >= len(arrived) else [], "every row", seconds=60
        )
        assert len(rows) == len(arrived) == len({row["query"] for row in rows})
        assert {(row["client_address"], row["band"], row["user"]) for row in rows} == {(DEVICE, "eyfs", None)}
        assert len({row["worker"] for row in rows}) >= 3
        assert not any(arrival.header("proxy-authorization") for arrival in arrived)
        assert gateway.stop() == 0
    finally:
        stop.set()
        gateway.kill()
        load(network)
