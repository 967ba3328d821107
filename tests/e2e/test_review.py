"""From a pupil's question on the block page to the answer on the same page (A-17).

Shows: `addons.reviewdesk`
"""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

from tests.rig.clients import Answer, Browser, Raw
from tests.rig.gateway import YEAR_4, Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e


def types(gateway: Gateway, *words: str, status: int = 0) -> Any:
    done = gateway.command(*words, "--json")
    assert done.returncode == status, done.stderr + done.stdout
    return json.loads(done.stdout)


def form(page: Answer, url: str) -> str:
    """Where the review form of a page posts to."""
    found = re.search(r'<form method="post" action="([^"]*review[^"]*)">', page.text)
    assert found, page.text
    return urljoin(url, unescape(found[1]))


def send(browser: Browser, action: str, why: str, **headers: str) -> Answer:
    """Submit it, as a browser does."""
    more = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", **headers}
    return browser.fetch(action, method="POST", body=urlencode({"why": why}).encode(), headers=more)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_from_the_question_to_the_answer(gateway: Gateway, origin: Origin, scheme: str) -> None:
    url = f"{scheme}://{scheme}-maths.games.schoolgate.test/lesson"
    with Browser(gateway, source=YEAR_4) as browser:
        page = browser.fetch(url)
        assert page.status == 403
        assert "form-action 'self'" in page.headers["content-security-policy"]
        action = form(page, url)
        assert send(browser, action, "").status == 400
        sent = send(browser, action, f"We need it for <b>maths</b> {scheme}.")
        assert (sent.status, "Thank you" in sent.text) == (200, True)
        assert send(browser, action, "And again.").status == 200

        def filed() -> Any:
            return [one for one in types(gateway, "requests", "list") if one["url"] == url]

        (request,) = wait_for(filed, "the request to be in the queue")
        assert request["why"] == f"We need it for <b>maths</b> {scheme}."
        assert (request["band"], request["site"], request["address"]) == ("ks2", "oakwood", YEAR_4)
        assert request["verdict"]["rule"] == "year-4-no-games"
        assert request["verdict"]["category"] == "games"
        number = str(request["id"])
        types(gateway, "requests", "decide", number, "--no-change", "--reason", "no", "--answer", "Use the maths book.")

        def told() -> bool:
            return "it stays as it is. Use the maths book." in browser.fetch(url).text

        wait_for(told, "the answer on the page")
    assert not origin.contacted(f"{scheme}-maths.games.schoolgate.test")
    rows = gateway.wait_for_rows(3, host=f"{scheme}-maths.games.schoolgate.test", rule="guard:review")
    assert {row["ending"] for row in rows} == {"blocked"}


def test_a_page_is_opened_for_those_who_asked(gateway: Gateway) -> None:
    url = "https://opened.games.schoolgate.test/lesson"
    with Browser(gateway, source=YEAR_4) as browser:
        send(browser, form(browser.fetch(url), url), "club")

        def filed() -> Any:
            return [one for one in types(gateway, "requests", "list") if one["url"] == url]

        number = str(wait_for(filed, "the request to be in the queue")[0]["id"])
        decided = types(gateway, "requests", "decide", number, "--allow", "--reason", "chess club", "--for", "1h")
        assert decided["made"].startswith("override-")
        assert browser.fetch(url).status == 200
        assert browser.fetch("https://opened.games.schoolgate.test/else").status == 403
    types(gateway, "overrides", "end", decided["made"])


def test_what_is_no_form_of_ours_files_nothing(gateway: Gateway, origin: Origin) -> None:
    """Made up, of another site, of another client, without a body, far too long, or cut off in the middle."""
    url = "http://hostile.games.schoolgate.test/lesson"
    with Browser(gateway, source=YEAR_4) as browser, Browser(gateway, source="127.0.1.77") as neighbour:
        action = form(browser.fetch(url), url)
        head, _, token = action.partition("token=")
        assert send(browser, f"{head}token=made.up", "x").status == 403
        assert send(browser, f"{head}token={token[:-4]}AAAA", "x").status == 403
        assert send(browser, action, "x", **{"Sec-Fetch-Site": "cross-site"}).status == 403
        assert send(neighbour, action, "x").status == 403
        assert browser.fetch(action).status == 403
        assert send(browser, action, "x" * 20_000).status == 403
    with Raw(gateway, source=YEAR_4) as raw:
        raw.send(
            f"POST {action} HTTP/1.1\r\nHost: hostile.games.schoolgate.test\r\nContent-Length: 50\r\n\r\nwhy=".encode()
        )
    with Raw(gateway, source=YEAR_4) as raw:
        raw.send(
            f"POST {action} HTTP/1.1\r\nHost: hostile.games.schoolgate.test\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nwhy=x\r\n0\r\n\r\n".encode()
        )
        assert raw.answer().status == 403
    gateway.wait_for_rows(8, host="hostile.games.schoolgate.test", rule="guard:review")
    assert not [one for one in types(gateway, "requests", "list", "--all") if "hostile" in one["url"]]
    assert not origin.contacted("hostile.games.schoolgate.test")


def test_nobody_floods_the_queue(gateway: Gateway) -> None:
    """A handful in ten minutes."""
    statuses = []
    with Browser(gateway, source="127.0.1.66") as browser:
        for number in range(8):
            url = f"http://flood{number}.games.schoolgate.test/"
            statuses.append(send(browser, form(browser.fetch(url), url), "please").status)
    assert statuses == [200] * 5 + [429] * 3


def test_illegal_content_has_no_form(gateway: Gateway) -> None:
    """And neither has a page of our own trouble."""
    with Browser(gateway, source=YEAR_4) as browser:
        assert "<form" not in browser.fetch("http://child-abuse.schoolgate.test/").text
        assert "<form" not in browser.fetch("http://127.0.0.1:1/").text
