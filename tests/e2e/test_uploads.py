"""Homework goes up; what may not go up is refused before it is read, and the origin never sees a byte of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig.clients import Browser, Raw, curl, trusting
from tests.rig.gateway import Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
BOTH = pytest.mark.parametrize("scheme", ["http", "https"])
FIFTY_MB = 50_000_000


@pytest.fixture(scope="module")
def homework(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 50 MB."""
    file = tmp_path_factory.mktemp("homework") / "film.mp4"
    with file.open("wb") as out:
        out.truncate(FIFTY_MB)
    return file


@BOTH
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_small_upload_to_a_blocked_site_is_refused(gateway: Gateway, origin: Origin, scheme: str, size: int) -> None:
    with Browser(gateway) as browser:
        answer = browser.fetch(f"{scheme}://blocked.example/upload", method="POST", body=bytes(size))
    assert answer.status == 403
    assert not origin.contacted("blocked.example")


@BOTH
@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
def test_fifty_megabytes_to_a_blocked_site_are_refused_at_once(
    gateway: Gateway, origin: Origin, homework: Path, name: str, scheme: str, expect: str
) -> None:
    url = f"{scheme}://blocked.example/{name}"
    answer = curl(gateway, url, "--data-binary", f"@{homework}", "-H", expect)
    assert answer.status == 403, answer.error
    assert answer.seconds < 5
    assert not origin.contacted("blocked.example")
    (row,) = gateway.wait_for_rows(1, host="blocked.example", path=f"/{name}")
    assert (row["blocked"], row["method"]) == (True, "POST")
    assert row["bytes_up"] < FIFTY_MB


@BOTH
def test_an_allowed_upload_streams_to_the_origin(
    gateway: Gateway, origin: Origin, homework: Path, name: str, scheme: str
) -> None:
    before = max(process.memory_info().rss for process in gateway.family())
    answer = curl(gateway, f"{scheme}://{name}/upload", "-T", str(homework), seconds=60)
    assert (answer.status, answer.text) == (200, str(FIFTY_MB)), answer.error
    assert max(process.memory_info().rss for process in gateway.family()) - before < 40_000_000
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["bytes_up"], row["method"]) == (FIFTY_MB, "PUT")


@BOTH
def test_an_upload_is_on_its_way_before_it_is_complete(
    gateway: Gateway, origin: Origin, name: str, scheme: str
) -> None:
    """Streaming, seen from the origin: the first half arrives while the client still holds the second."""
    size = 400_000
    with Raw(gateway) as raw:
        target = f"http://{name}/upload"
        if scheme == "https":
            assert raw.tunnel(f"{name}:443") == 200
            raw.secure(name, trusting(gateway))
            target = "/upload"
        raw.send(f"POST {target} HTTP/1.1\r\nHost: {name}\r\nContent-Length: {size}\r\n\r\n".encode())
        raw.send(bytes(size // 2))
        wait_for(lambda: sum(arrival.body for arrival in origin.seen(name)) > size // 4, "half of it at the origin")
        assert not origin.seen(name)[0].done
        raw.send(bytes(size // 2))
        assert raw.answer().text == str(size)


def test_an_abandoned_upload_leaves_a_row(gateway: Gateway, origin: Origin, name: str) -> None:
    with Raw(gateway) as raw:
        raw.send(f"POST http://{name}/upload HTTP/1.1\r\nHost: {name}\r\nContent-Length: 1000000\r\n\r\n".encode())
        raw.send(bytes(500_000))
        wait_for(lambda: origin.seen(name), "the upload to begin")
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["blocked"]) == ("aborted", False)


def test_a_chunked_upload_goes_through(gateway: Gateway, origin: Origin, name: str) -> None:
    with Browser(gateway) as browser:
        answer = browser.fetch(f"https://{name}/upload", method="POST", body=iter([b"a" * 1000, b"b" * 2000]))
    assert answer.text == "3000"
