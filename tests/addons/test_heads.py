"""What `addons.heads` reads, the host reads just so; what could be read in two ways it leaves alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy.net.http import http1
from mitmproxy.net.http.validate import validate_headers

from addons.headers import indexed
from addons.heads import LONGEST, RequestHead, ordinary_answer, ordinary_request
from addons.httplayers import head_fault
from tests.addons.test_straight import ANSWERED, ASKED, GET, OK

LINES = 256

_spoilt = [b"\r", b"\n", b"\r\n", b" ", b"\t", b"\x00", b":", b"\xff", b"\xc3\xa9", b"#", b"\x0b", b"-", b"1", b"GET "]


@st.composite
def spoilt(draw: st.DrawFn, usual: bytes, others: list[bytes]) -> bytes:
    """A message with a few bytes put in, taken out or doubled."""
    data = draw(st.one_of(st.just(usual), st.sampled_from(others)))
    for _ in range(draw(st.integers(0, 3))):
        place, length = draw(st.integers(0, len(data))), draw(st.integers(0, 3))
        data = data[:place] + draw(st.sampled_from([b"", *_spoilt])) + data[place + length :]
    return data


def told(head: RequestHead) -> tuple[bytes, object, object]:
    """What a head says."""
    return head.path, head.lines.fields, head.lines.by_name


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a head, as the host's buffer gives them."""
    return data.removesuffix(b"\r\n\r\n").split(b"\r\n")


@settings(max_examples=2000)
@given(data=spoilt(GET, ASKED))
def test_a_question_is_read_as_the_host_reads_it(data: bytes) -> None:
    """Or not at all: and never when the gateway refuses it."""
    head = ordinary_request(data, LINES)
    if head is None:
        return
    assert data.count(b"\r\n\r\n") == 1
    assert head_fault(data.removesuffix(b"\r\n\r\n"), LINES) is None
    read = http1.read_request_head(lines_of(data))
    validate_headers(read)
    assert (read.data.method, read.data.path, read.data.http_version) == (b"GET", head.path, b"HTTP/1.1")
    assert (read.data.authority, read.data.host, read.data.scheme) == (b"", "", b"")
    assert read.headers.fields == head.lines.fields
    assert http1.expected_http_body_size(read) == 0
    assert not http1.connection_close(read.http_version, read.headers)
    known = indexed(head.lines.fields, head.lines.by_name, head.lines)
    assert all(known.get(name) == read.headers.get(name) for name, _ in head.lines.fields)


@settings(max_examples=2000)
@given(data=spoilt(GET, ASKED), before=spoilt(GET, ASKED))
def test_a_question_behind_another_is_read_as_by_itself(data: bytes, before: bytes) -> None:
    """Whatever was read of the one before it, which is what it says where it says the same."""
    known = ordinary_request(before, LINES)
    head, alone = ordinary_request(data, LINES, known and known.lines), ordinary_request(data, LINES)
    assert (head and told(head)) == (alone and told(alone))


PIECES = [
    b"GET /a HTTP/1.1\r\n",
    b"GET /b HTTP/1.1\r\n",
    b"Accept: text/html\r\n",
    b"X: y\r\n",
    b"Host: school.example\r\n",
]


@given(data=st.lists(st.sampled_from(PIECES), max_size=5), before=st.lists(st.sampled_from(PIECES[2:]), max_size=3))
def test_a_question_that_only_ends_like_the_one_before_is_another(data: list[bytes], before: list[bytes]) -> None:
    """Fields more than those, fewer, in another order, or none at all."""
    known = ordinary_request(b"GET / HTTP/1.1\r\n" + b"".join(before) + b"\r\n", LINES)
    assert known is not None
    asked = b"".join(data) + b"\r\n"
    head, alone = ordinary_request(asked, LINES, known.lines), ordinary_request(asked, LINES)
    assert (head and told(head)) == (alone and told(alone))


def test_what_says_the_same_is_read_once() -> None:
    """Another page, the same fields: nothing of them is looked at again."""
    first = ordinary_request(GET, LINES)
    assert first is not None
    again = ordinary_request(GET.replace(b"page=1", b"page=2"), LINES, first.lines)
    assert again is not None
    assert again.lines is first.lines
    assert again.path == b"/lesson?page=2"


@settings(max_examples=2000)
@given(data=spoilt(OK, ANSWERED))
def test_an_answer_is_read_as_the_host_reads_it(data: bytes) -> None:
    """Or not at all: and never when something comes behind it."""
    answer = ordinary_answer(data)
    if answer is None:
        return
    head, _, body = data.partition(b"\r\n\r\n")
    read = http1.read_response_head(lines_of(head + b"\r\n\r\n"))
    validate_headers(read)
    assert (read.data.status_code, read.data.reason, read.data.http_version) == (
        answer.status,
        answer.reason,
        b"HTTP/1.1",
    )
    assert read.headers.fields == answer.fields
    asked = http1.read_request_head(lines_of(GET))
    assert http1.expected_http_body_size(asked, read) == answer.length
    assert not http1.connection_close(read.http_version, read.headers)
    assert answer.body == body
    assert answer.length is None or len(body) <= answer.length
    assert answer.whole == (answer.length == len(body))


def test_usual_messages_are_read() -> None:
    """Else nothing above would be tested."""
    assert ordinary_request(GET, LINES) is not None
    assert ordinary_answer(OK) is not None
    assert sum(ordinary_request(data, LINES) is not None for data in ASKED) >= 6
    assert sum(ordinary_answer(data) is not None for data in ANSWERED) >= 6


def test_long_heads_are_left_to_the_host() -> None:
    """It bounds them; and so is what has too many lines."""
    assert ordinary_request(GET.replace(b"text/html", b"a" * LONGEST), LINES) is None
    assert ordinary_answer(OK.replace(b"text/html", b"a" * LONGEST)) is None
    assert ordinary_request(GET.replace(b"Accept: text/html\r\n", b"A: b\r\n" * LINES), LINES) is None
    assert ordinary_request(GET.replace(b"Accept: text/html\r\n", b"A: b\r\n" * (LINES - 2)), LINES) is not None
