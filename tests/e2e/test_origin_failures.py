"""When the other side fails: a page a teacher understands and a row that says what happened, never a hang.

Shows: `proxy.trust`.
"""

from __future__ import annotations

import socket

import pytest

from tests.rig.clients import Raw, curl
from tests.rig.gateway import Gateway
from tests.rig.origin import Origin

pytestmark = pytest.mark.e2e
BOTH = pytest.mark.parametrize("scheme", ["http", "https"])
BROKEN = ("expired", "wrong-host", "self-signed", "unknown-ca")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_site_that_cannot_prove_its_name_gets_our_page(gateway: Gateway, origin: Origin, kind: str) -> None:
    host = f"{kind}.bad.example"
    answer = curl(gateway, f"https://{host}/page")
    assert (answer.code, answer.status) == (0, 502), answer.error
    assert answer.headers["content-type"].startswith("text/html")
    assert "origin content" not in answer.text
    assert not origin.seen(host), "no request may be sent to a site that failed to prove its name"
    (row,) = gateway.wait_for_rows(1, host=host)
    assert row["ending"] in ("error", "blocked")
    assert (row["status"], row["reason"], row["error"]) == (502, "certificate", "certificate")


@BOTH
def test_a_broken_connection_gets_our_page(gateway: Gateway, name: str, scheme: str) -> None:
    answer = curl(gateway, f"{scheme}://{name}/reset")
    assert (answer.code, answer.status) == (0, 502), answer.error
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["status"], row["reason"], row["blocked"]) == ("error", 502, "upstream", False)
    assert row["error"]


@BOTH
def test_an_answer_that_is_not_http_gets_our_page(gateway: Gateway, name: str, scheme: str) -> None:
    answer = curl(gateway, f"{scheme}://{name}/garbage")
    assert (answer.code, answer.status) == (0, 502), answer.error
    assert "SSH-2.0" not in answer.text
    (row,) = gateway.wait_for_rows(1, host=name)
    assert row["ending"] == "error"


@pytest.mark.parametrize("path", ["blame", "half-blame"])
@BOTH
def test_a_site_does_not_say_whose_fault_it_was(gateway: Gateway, name: str, scheme: str, path: str) -> None:
    """What it sends in place of an answer stands in the host's error, in which we look for our own words."""
    answer = curl(gateway, f"{scheme}://{name}/{path}")
    assert (answer.code, answer.status) == (0, 502), answer.error
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["reason"], row["error"]) == ("error", "upstream", "failed")


@BOTH
def test_an_answer_cut_in_the_middle_is_not_taken_for_whole(gateway: Gateway, name: str, scheme: str) -> None:
    answer = curl(gateway, f"{scheme}://{name}/half")
    assert answer.code != 0 or answer.status == 502, "the client must be able to see that something is missing"
    (row,) = gateway.wait_for_rows(1, host=name)
    assert row["ending"] == "error"


@BOTH
def test_a_site_nobody_answers_at_gets_our_page(make_gateway, name: str, scheme: str) -> None:
    """Connection refused: the port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gateway = make_gateway(origin=f"127.0.0.1:{port}").start()
    answer = curl(gateway, f"{scheme}://{name}/page")
    assert (answer.code, answer.status) == (0, 502), answer.error
    assert name in answer.text
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["status"], row["error"]) == ("error", 502, "refused")


@BOTH
def test_a_name_that_does_not_exist_gets_our_page(make_gateway, scheme: str) -> None:
    """RFC 6761 §6.4: names below `invalid` never resolve."""
    gateway = make_gateway(origin=None).start()
    answer = curl(gateway, f"{scheme}://no-such-school.invalid/page")
    assert (answer.code, answer.status) == (0, 502), answer.error
    (row,) = gateway.wait_for_rows(1, host="no-such-school.invalid")
    assert (row["ending"], row["status"]) == ("error", 502)
    assert "name" in row["error"]


@BOTH
def test_a_silent_site_is_given_up_on(make_gateway, name: str, scheme: str) -> None:
    """It took the connection and the request: our page, and a status that says so."""
    gateway = make_gateway({"proxy": {"idle_timeout": 5}}).start()
    answer = curl(gateway, f"{scheme}://{name}/hang", seconds=25)
    assert (answer.code, answer.status) == (0, 504), answer
    assert name in answer.text
    assert answer.seconds < 20
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["status"], row["reason"], row["error"]) == ("error", 504, "upstream", "no answer")


def test_a_site_that_never_takes_the_connection_is_given_up_on(make_gateway, name: str) -> None:
    """A listener whose queue is full drops every SYN: connect hangs until our own time limit."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            waiting.append(filler)
        gateway = make_gateway({"proxy": {"connect_timeout": 2}}, origin=f"127.0.0.1:{port}").start()
        answer = curl(gateway, f"http://{name}/page", seconds=20)
        for filler in waiting:
            filler.close()
    assert answer.status in (502, 504)
    assert 1 < answer.seconds < 10
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["error"]) == ("error", "timeout")


def test_an_origin_failure_leaves_the_gateway_usable(gateway: Gateway, name: str) -> None:
    with Raw(gateway) as raw:
        raw.send(f"GET http://{name}/reset HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert raw.answer().status == 502
    assert curl(gateway, f"http://{name}/page").status == 200


def test_a_site_that_drips_is_given_up_on(make_gateway, name: str) -> None:
    """Its bytes keep the idle clock going; they come to nothing all the same."""
    gateway = make_gateway({"proxy": {"idle_timeout": 5}}).start()
    answer = curl(gateway, f"http://{name}/slow?pieces=1000&pause=0.3", seconds=40)
    assert answer.code in (18, 56), answer
    assert answer.seconds < 30
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["error"]) == ("error", "answer too slow")
    assert 'schoolgate_slow_cut_total{what="answer"} 1.0' in gateway.metrics()
