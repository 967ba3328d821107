"""A lesson's ordinary traffic: pages, pictures, downloads and APIs go through unchanged, each with its row.

Shows: `addons.trafficlog`, `addons.rows`, `addons.content`, `addons.rewrite`, `addons.live`, `addons.flownotes`,
`proxy.master`, `proxy.worker`, `proxy.dispatch`.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json

import psutil
import pytest

from tests.rig.clients import Browser, Raw, curl, trusting
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
BOTH = pytest.mark.parametrize("scheme", ["http", "https"])
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@BOTH
def test_a_page_opens_and_its_row_tells_who_what_and_when(gateway: Gateway, name: str, scheme: str) -> None:
    answer = curl(gateway, f"{scheme}://{name}/page?title=Fractions", "-H", "Accept: text/html", source=YEAR_4)
    assert (answer.code, answer.status) == (0, 200), answer.error
    assert "origin content" in answer.text
    (row,) = gateway.wait_for_rows(1, host=name)
    assert row["ending"] == "response"
    expected = {
        "site": "oakwood",
        "device": "oak-y4-laptop-10",
        "client_address": YEAR_4,
        "band": "ks2",
        "user": None,
        "verified": False,
        "method": "GET",
        "scheme": scheme,
        "port": 443 if scheme == "https" else 80,
        "path": "/page",
        "query": "title=Fractions",
        "title": "Fractions",
        "content_type": "text/html",
        "status": 200,
        "page": True,
        "action": "allow",
        "blocked": False,
        "rule": "anything-else",
        "tier": "default",
        "domain": name,
    }
    assert {key: row[key] for key in expected} == expected
    assert "year-4" in row["groups"]
    assert row["bytes_down"] == len(answer.body)
    assert row["duration_us"] > 0
    assert row["revision"]


@BOTH
@pytest.mark.parametrize("method", METHODS)
def test_every_method_reaches_the_origin(gateway: Gateway, origin: Origin, name: str, scheme: str, method: str) -> None:
    with Browser(gateway) as browser:
        answer = browser.fetch(f"{scheme}://{name}/json", method=method, body=b"x=1" if method != "GET" else None)
    assert answer.status == 200
    (arrival,) = origin.seen(name)
    assert (arrival.method, arrival.secure) == (method, scheme == "https")


@BOTH
def test_a_chunked_page_arrives_whole(gateway: Gateway, name: str, scheme: str) -> None:
    assert curl(gateway, f"{scheme}://{name}/chunked").text == "<title>In chunks</title><p>one<p>two"
    (row,) = gateway.wait_for_rows(1, host=name)
    assert row["title"] == "In chunks"


@BOTH
def test_a_redirect_is_left_to_the_browser(gateway: Gateway, origin: Origin, name: str, scheme: str) -> None:
    answer = curl(gateway, f"{scheme}://{name}/redirect?to=/page", "--location")
    assert (answer.status, "origin content" in answer.text) == (200, True)
    assert [arrival.path for arrival in origin.seen(name)] == ["/redirect", "/page"]
    gateway.wait_for_rows(2, host=name)


def test_a_picture_is_a_part_of_a_page_not_a_page(gateway: Gateway, name: str) -> None:
    answer = curl(gateway, f"https://{name}/image.png", "-H", "Sec-Fetch-Dest: image", "-H", "Accept: image/*")
    assert answer.body.startswith(b"\x89PNG")
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["page"], row["content_type"]) == (False, "image/png")


def test_a_keep_alive_connection_carries_many_requests_and_each_has_its_row(gateway: Gateway, name: str) -> None:
    with Browser(gateway) as browser:
        for number in range(50):
            assert browser.fetch(f"https://{name}/page?n={number}").status == 200
    rows = gateway.wait_for_rows(50, host=name)
    assert {row["query"] for row in rows} == {f"n={number}" for number in range(50)}
    assert len({row["id"] for row in rows}) == 50


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "inside TLS"])
def test_pipelined_requests_are_answered_in_order(gateway: Gateway, name: str, secure: bool) -> None:
    """RFC 9112 §9.3.2: answers come in the order of the requests, also when all were there before the first answer."""
    with Raw(gateway) as raw:
        if secure:
            assert raw.tunnel(f"{name}:443") == 200
            raw.secure(name)
        where = "" if secure else f"http://{name}"
        asked = [f"GET {where}/page?title=T{number} HTTP/1.1\r\nHost: {name}\r\n\r\n" for number in range(4)]
        raw.send("".join(asked).encode())
        for number in range(4):
            assert f"T{number}" in raw.answer().text
    assert len({row["id"] for row in gateway.wait_for_rows(4, host=name, method="GET")}) == 4


def test_secrets_in_a_query_string_are_not_in_the_record(gateway: Gateway, origin: Origin, name: str) -> None:
    curl(gateway, f"https://{name}/page?lesson=3&access_token=s3cr3t-value&password=hunter2")
    assert origin.seen(name)[0].query["access_token"] == "s3cr3t-value", "the origin gets what was sent"
    (row,) = gateway.wait_for_rows(1, host=name)
    assert "lesson=3" in row["query"]
    assert "s3cr3t-value" not in json.dumps(row, default=str)
    assert "hunter2" not in json.dumps(row, default=str)


@BOTH
def test_a_hundred_pupils_at_once_all_get_their_pages(gateway: Gateway, name: str, scheme: str) -> None:
    def pupil(number: int) -> list[int]:
        with Browser(gateway, source=f"127.0.1.{number + 20}") as browser:
            return [browser.fetch(f"{scheme}://{name}/page?p={number}&n={n}").status for n in range(3)]

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(pupil, range(100)))
    assert answers == [[200, 200, 200]] * 100
    rows = gateway.wait_for_rows(300, host=name, seconds=40)
    assert len({row["query"] for row in rows}) == 300


@BOTH
def test_a_large_download_streams_without_filling_the_memory(
    gateway: Gateway, origin: Origin, name: str, scheme: str
) -> None:
    """300 MB to a client that reads slowly at first; a worker may grow by a few buffers, not by the file."""
    size = 300_000_000
    worker = max((process for process in gateway.family()), key=lambda process: process.memory_info().rss)
    before = {process.pid: process.memory_info().rss for process in gateway.family()}
    done = curl(gateway, f"{scheme}://{name}/large?bytes={size}", "-o", "/dev/null", seconds=90)
    assert (done.code, done.status) == (0, 200), done.error
    grown = max(process.memory_info().rss - before.get(process.pid, 0) for process in gateway.family())
    assert grown < 100_000_000, f"{worker.name()} grew by {grown / 1e6:.0f} MB"
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["bytes_down"], row["ending"]) == (size, "response")


def test_a_client_that_does_not_read_holds_the_download_back(gateway: Gateway, name: str) -> None:
    """Back-pressure: 200 MB for a client that reads nothing must not end up in the gateway's memory."""
    before = sum(process.memory_info().rss for process in gateway.family())
    with Raw(gateway) as raw:
        raw.send(f"GET http://{name}/large?bytes=200000000 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        response = http.client.HTTPResponse(raw.socket)
        response.begin()
        with Browser(gateway) as other:  # the worker has had time to read ahead once it has served others
            for number in range(20):
                assert other.fetch(f"http://{name}/page?n={number}").status == 200
        grown = sum(process.memory_info().rss for process in gateway.family()) - before
        response.close()
    assert grown < 60_000_000, f"grew by {grown / 1e6:.0f} MB"
    wait_for(lambda: gateway.rows(host=name, path="/large"), "the row of the aborted download")
    assert gateway.rows(host=name, path="/large")[0]["ending"] == "aborted"


def test_a_page_is_not_kept_waiting_by_a_slow_download(gateway: Gateway, name: str) -> None:
    with Raw(gateway) as radio, Browser(gateway) as browser:
        radio.send(f"GET http://{name}/slow?pieces=40&pause=0.1 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert radio.read_head().startswith(b"HTTP/1.1 200")
        assert browser.fetch(f"https://{name}/page").status == 200
        assert psutil.Process().is_running()


def test_alt_svc_is_taken_out_so_that_browsers_do_not_leave_for_http3(gateway: Gateway, name: str) -> None:
    answer = curl(gateway, f"https://{name}/alt-svc")
    assert "alt-svc" not in answer.headers


def test_what_belongs_to_the_proxy_does_not_reach_the_origin(gateway: Gateway, origin: Origin, name: str) -> None:
    """RFC 9110 §7.6.1 and §11.7.2: Proxy-Authorization and Proxy-Connection end here."""
    curl(gateway, f"http://{name}/headers", "-H", "Proxy-Connection: keep-alive", user="somebody:secret")
    sent = {header for arrival in origin.seen(name) for header, _ in arrival.headers}
    assert not sent & {"proxy-authorization", "proxy-connection"}


def test_tls_inside_the_tunnel_is_modern(gateway: Gateway, name: str) -> None:
    with Raw(gateway, source=TEACHER) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        assert raw.secure(name, trusting(gateway)).version() == "TLSv1.3"
