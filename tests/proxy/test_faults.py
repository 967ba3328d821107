"""What breaks is told with types, files and lines; who was asking, and for what, stays out of the log."""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstore.place import StoreError
from proxy.faults import Discreet, told, unhandled

SECRET = "advice.example"
"""A host somebody asked for."""


class Withheld(Exception):
    """An error of a library."""


def cause() -> None:
    raise Withheld(f"cannot read {SECRET}")


def chain() -> None:
    try:
        cause()
    except Withheld as error:
        error.add_note(f"asked by 10.4.1.7 for {SECRET}")
        raise ValueError(SECRET) from error


def context() -> None:
    try:
        cause()
    except Withheld:
        raise KeyError(SECRET)  # noqa: B904


def group() -> None:
    try:
        cause()
    except Withheld as error:
        raise ExceptionGroup(f"for {SECRET}", [error, OSError(111, f"Connect call failed ({SECRET!r}, 443)")]) from None


@pytest.mark.parametrize(
    ("fails", "kinds"),
    [
        (cause, ["tests.proxy.test_faults.Withheld"]),
        (chain, ["tests.proxy.test_faults.Withheld", "ValueError", "This led to"]),
        (context, ["tests.proxy.test_faults.Withheld", "KeyError", "While that was dealt with"]),
        (group, ["ExceptionGroup", "Withheld", "ConnectionRefusedError: Connection refused (ECONNREFUSED)"]),
        (lambda: Path(f"/nowhere/{SECRET}").read_text(), ["FileNotFoundError: No such file or directory (ENOENT)"]),
        (lambda: f"ü.{SECRET}".encode("ascii"), ["UnicodeEncodeError"]),
    ],
    ids=["alone", "chain", "context", "group", "of the system", "with the data in it"],
)
def test_a_traceback_says_where_and_not_what(fails, kinds: list[str]) -> None:
    with pytest.raises(Exception) as raised:
        fails()
    text = told(raised.value)
    assert SECRET not in text
    assert "10.4.1.7" not in text
    assert f'{__file__}", line ' in text
    assert all(kind in text for kind in kinds), text


def test_a_long_chain_of_exceptions_is_told_in_part() -> None:
    """The last ones, with the word that there was more; however long the chain, it can be told."""
    error = Withheld(SECRET)
    for _ in range(3000):
        error = _behind(error)
    text = told(error)
    assert text.startswith("(and what came before)")
    assert text.count("test_faults.Withheld") == 40
    assert SECRET not in text


def _behind(error: Withheld) -> Withheld:
    later = Withheld(SECRET)
    later.__context__ = error
    return later


@pytest.mark.parametrize("debug", [True, False])
def test_a_message_that_cannot_be_written_is_not_told_with_its_arguments(debug: bool) -> None:
    """Python would print them to standard error; only `--debug` wants that."""
    code = f"from proxy.faults import install; install(debug={debug}); import logging; logging.error('%d', {SECRET!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (SECRET in done.stderr) is debug


HOOKS = {
    "the process": "int(name)",
    "a thread": "threading.Thread(target=int, args=(name,)).start()",
    "a finaliser": "type('C', (), {'__del__': lambda self: int(name)})()",
    "Ctrl-C while an error is dealt with": "try: int(name)\nexcept ValueError: raise KeyboardInterrupt",
}


@pytest.mark.parametrize("code", HOOKS.values(), ids=HOOKS.keys())
@pytest.mark.parametrize("debug", [True, False])
def test_what_ends_a_process_or_a_thread_is_told_discreetly(code: str, debug: bool) -> None:
    """Python itself would print its words: only `--debug` wants that. Its kind is told either way."""
    code = (
        f"import sys, threading\nfrom proxy.faults import install\ninstall(debug={debug})\nname = sys.argv[1]\n{code}"
    )
    done = subprocess.run([sys.executable, "-c", code, SECRET], capture_output=True, text=True, timeout=60, check=False)
    assert "ValueError" in done.stderr
    assert (SECRET in done.stderr) is debug


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Withheld(SECRET), f"{__name__}.Withheld"),
        (ConnectionRefusedError(111, f"Connect call failed {SECRET}"), "ConnectionRefusedError: Connection refused"),
        (ssl.SSLError(1, f"[SSL] {SECRET}"), "ssl.SSLError\n"),
        (FileNotFoundError(2, "No such file or directory", "/etc/x"), "No such file or directory: '/etc/x'"),
        (StoreError("is away", "the record", "Look."), "the record: is away. Look."),
    ],
    ids=["a library's", "a connection's", "TLS's", "a file's", "ours"],
)
@pytest.mark.parametrize("how", ["an argument", "a named argument", "the message"])
def test_an_error_in_a_message_is_told_by_its_kind(written: io.StringIO, error: Exception, told: str, how: str) -> None:
    """In its words where they are ours, or say which file."""
    log = logging.getLogger("anything")
    match how:
        case "an argument":
            log.error("it failed: %s", error)
        case "a named argument":
            log.error("it failed: %(error)s", {"error": error})
        case _:
            log.error(error)
    assert told in written.getvalue()
    assert SECRET not in written.getvalue()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the log has."""
    out, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(out)
    handler.setFormatter(Discreet("%(name)s: %(message)s"))
    root.addHandler(handler)
    yield out
    root.removeHandler(handler)


@pytest.mark.parametrize("ours", [True, False], ids=["our handler", "the loop's own"])
def test_what_a_loop_found_nobody_to_handle(written: io.StringIO, ours: bool) -> None:
    """A task, and a callback with its arguments."""

    async def fails(host: str) -> None:
        raise Withheld(host)

    def called(host: str) -> None:
        raise Withheld(host)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        if ours:
            loop.set_exception_handler(lambda _, context: unhandled(context))
        loop.call_soon(called, SECRET)
        task = loop.create_task(fails(SECRET), name=SECRET)
        await asyncio.wait([task])
        del task

    asyncio.run(main())
    text = written.getvalue()
    assert SECRET not in text
    assert "Task exception was never retrieved" in text
    assert "Exception in callback" in text
    assert text.count("test_faults.Withheld") == 2
