"""What is made of known parts is what the host's own constructors make."""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.connection import Client, Server

from addons.flowparts import new_flow, new_request, new_response
from addons.heads import ordinary_answer, ordinary_request
from tests.addons.test_straight import GET, OK, said


def test_a_flow_is_the_hosts() -> None:
    """Every attribute but its name and the moment it was made."""
    client, server = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2)), Server(address=("a.example", 443))
    ours, theirs = vars(new_flow(client, server)), vars(http.HTTPFlow(client, server, live=True))
    assert ours.keys() == theirs.keys()
    assert {name for name, value in theirs.items() if ours[name] != value} <= {"id", "timestamp_created"}
    assert new_flow(client, server).id != ours["id"]


def test_messages_are_the_hosts() -> None:
    """Field for field, and they read alike."""
    head, answer = ordinary_request(GET, 256), ordinary_answer(OK)
    assert head is not None
    assert answer is not None
    asked = new_request(head, ("school.example", 443), b"https")
    theirs = http.Request(
        "school.example", 443, b"GET", b"https", b"", head.path, b"HTTP/1.1", head.lines.fields, None, None, 0, None
    )
    assert said(asked) == said(theirs)
    assert (asked.url, asked.pretty_host, asked.stream) == (theirs.url, theirs.pretty_host, theirs.stream)
    answered = new_response(answer)
    like = http.Response(b"HTTP/1.1", 200, b"OK", answer.fields, None, None, 0, None)
    assert said(answered) == said(like)
    assert answered.stream == like.stream
