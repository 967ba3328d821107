"""Fetches lists: a source and what is known of its last version in, a new version in a folder of its own out.

The only file of this room that may use the network. The rules: HTTPS or HTTP as somebody decided, never through a
proxy, redirects only to HTTPS; whoever asks may say what is connected to (`Limits.connect`); size and time are bounded
while bytes come in; a checksum or signature that was promised is checked before anything is opened
(`categories.archives`); nothing is in force before somebody flips `current`.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from categories.archives import LIST_FILE, ArchiveProblem, Room, copy_tree, tree_files, unpack
from categories.signatures import SUFFIX, SignatureProblem, check_signature, read_key

AGENT = "Schoolgate list update"
"""How we call ourselves."""
CHUNK = 1 << 16
type Connect = Callable[..., Any]
"""As `socket.create_connection`: host and port, timeout and source in, a socket out."""
_CHECKSUM_BYTES = 1 << 20
_SIGNATURE_BYTES = 1 << 16
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b", re.IGNORECASE)


class FetchProblem(Exception):
    """A list could not be fetched: why, in words. What was there before stays."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What to fetch."""

    location: str
    """URL, or absolute path of a file or folder."""
    tree: bool
    """Whether it is a tree of lists (format `ut1`) rather than one file."""
    sha256: str | None = None
    """Checksum the download must have."""
    checksum_url: str | None = None
    """Where the publisher tells it."""
    key: str | None = None
    """Public key that must have signed the download (`categories.signatures`); None for none."""
    signature_url: str | None = None
    """Where the signature is told; None: beside the list, `.minisig` behind its name."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the version we have."""

    etag: str | None = None
    """Its `ETag`."""
    modified: str | None = None
    """Its `Last-Modified`."""
    sha256: str | None = None
    """Checksum of what was downloaded."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how long."""

    download: int = 512 * 1024**2
    """Bytes of a download."""
    room: Room = field(default_factory=Room)
    """What may come out of it."""
    seconds: float = 600.0
    """For a whole download."""
    silence: float = 30.0
    """Without a byte."""
    connect: Connect | None = None
    """How connections are made, which says where a list may come from; None: from anywhere."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of it."""

    known: Known
    """What is known now."""
    folder: Path | None
    """The new version: a file `list`, or a tree; None when it is the one we have."""
    bytes: int = 0
    """Bytes downloaded."""


def fetch(remote: Remote, store: Path, known: Known | None = None, limits: Limits | None = None) -> Fetched:
    """Fetch a version of `remote` into a new folder below `store`. Raises `FetchProblem`."""
    known, limits = known or Known(), limits or Limits()
    store.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="incoming-", dir=store) as aside:
            if urlsplit(remote.location).scheme in {"http", "https"}:
                return _fetch_url(remote, store, Path(aside), known, limits)
            return _fetch_path(remote, store, Path(aside), known, limits)
    except (ArchiveProblem, ssl.SSLError, urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise FetchProblem(_in_words(error)) from error


def _fetch_url(remote: Remote, store: Path, aside: Path, known: Known, limits: Limits) -> Fetched:
    told = _told_checksum(remote, limits)
    if told is not None and told == known.sha256:
        return Fetched(known, None)
    file = aside / "download"
    answer = _download(remote.location, file, known, limits)
    if answer is None:
        return Fetched(known, None)
    now = Known(answer.get("ETag"), answer.get("Last-Modified"), _digest(file))
    if told is not None and now.sha256 != told:
        raise FetchProblem(f"the download is not what was promised: its SHA-256 is {now.sha256}, {told} was expected")
    if now.sha256 == known.sha256:
        return Fetched(now, None)
    _check_signed(remote, file, aside, limits)
    unpack(file, aside / "new", tree=remote.tree, room=limits.room)
    return Fetched(now, _keep(aside / "new", store, now), file.stat().st_size)


def _fetch_path(remote: Remote, store: Path, aside: Path, known: Known, limits: Limits) -> Fetched:
    path = Path(remote.location)
    told = _told_checksum(remote, limits)
    if path.is_dir():
        if not remote.tree:
            raise FetchProblem(f"{path} is a folder; a tree of lists has format `ut1`")
        now = Known(sha256=_tree_digest(path, limits.room))
    elif path.is_file():
        now = Known(sha256=_digest(path))
    else:
        raise FetchProblem(f"{path} is not there")
    if told is not None and now.sha256 != told:
        raise FetchProblem(f"{path} is not what was promised: its SHA-256 is {now.sha256}, {told} was expected")
    if now.sha256 == known.sha256:
        return Fetched(now, None)
    if remote.key is not None:
        if path.is_dir():
            raise FetchProblem(f"{path} is a folder, which has no signature; name a signed archive")
        path = Path(shutil.copyfile(path, aside / "copy"))  # what is checked is what is opened
        _check_signed(remote, path, aside, limits)
    if path.is_dir():
        copy_tree(path, aside / "new", limits.room)
    else:
        unpack(path, aside / "new", tree=remote.tree, room=limits.room)
    return Fetched(now, _keep(aside / "new", store, now))


def _check_signed(remote: Remote, file: Path, aside: Path, limits: Limits) -> None:
    """Before anything is opened: the key that was decided on signed this very file."""
    if remote.key is None:
        return
    where = remote.signature_url or remote.location + SUFFIX
    told = aside / "signature"
    try:
        if urlsplit(where).scheme in {"http", "https"}:
            _download(where, told, Known(), replace(limits, download=_SIGNATURE_BYTES))
        else:
            shutil.copyfile(where, told)
        check_signature(file, told.read_text(encoding="utf-8", errors="replace"), read_key(remote.key))
    except SignatureProblem as problem:
        raise FetchProblem(str(problem)) from problem
    except (FetchProblem, OSError) as error:
        raise FetchProblem(f"its signature {where} cannot be had: {_in_words(error)}") from error


def _keep(fresh: Path, store: Path, known: Known) -> Path:
    target = store / f"{time.time_ns():x}-{(known.sha256 or '')[:12]}"
    fresh.rename(target)
    return target


def list_path(folder: Path, *, tree: bool) -> Path:
    """What to compile of a version."""
    return folder if tree else folder / LIST_FILE


class _OnlyToHttps(urllib.request.HTTPRedirectHandler):
    """A redirect may make a way safer, never less safe, and never leads to another protocol."""

    def redirect_request(
        self, request: urllib.request.Request, answer: IO[bytes], code: int, message: str, headers: Any, target: str
    ) -> urllib.request.Request | None:
        if urlsplit(target).scheme != "https":
            raise FetchProblem(f"it is redirected to {target[:200]!r}; only https:// is followed")
        return super().redirect_request(request, answer, code, message, headers, target)


class _PlainHandler(urllib.request.HTTPHandler):
    def __init__(self, connect: Connect | None) -> None:
        super().__init__()
        self._connect = connect

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def made(host: str, **options: Any) -> http.client.HTTPConnection:
            return _led(http.client.HTTPConnection(host, **options), self._connect)

        return self.do_open(made, req)


class _SecureHandler(urllib.request.HTTPSHandler):
    def __init__(self, connect: Connect | None) -> None:
        super().__init__()
        self._connect = connect
        self._tls = ssl.create_default_context()

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def made(host: str, **options: Any) -> http.client.HTTPConnection:
            return _led(http.client.HTTPSConnection(host, context=self._tls, **options), self._connect)

        return self.do_open(made, req)


def _led(connection: http.client.HTTPConnection, connect: Connect | None) -> http.client.HTTPConnection:
    """A connection that is made as it was said."""
    if connect is not None:
        connection._create_connection = connect  # type: ignore[attr-defined]
    return connection


def _opener(connect: Connect | None) -> urllib.request.OpenerDirector:
    """HTTP and HTTPS and nothing else; the environment's proxies are not asked."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        _PlainHandler(connect),
        _SecureHandler(connect),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _OnlyToHttps(),
    ):
        opener.add_handler(handler)
    return opener


def _download(location: str, file: Path, known: Known, limits: Limits) -> Any:
    """Download; the answer's headers, or None when it is the version we have."""
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if known.sha256 is not None and known.etag is not None:
        headers["If-None-Match"] = known.etag
    if known.sha256 is not None and known.modified is not None:
        headers["If-Modified-Since"] = known.modified
    asked = urllib.request.Request(location, headers=headers)  # noqa: S310 - http or https, checked by the caller
    deadline = time.monotonic() + limits.seconds
    try:
        answer = _opener(limits.connect).open(asked, timeout=limits.silence)
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return None
        raise FetchProblem(f"the server answers {error.code} {error.reason}") from error
    with answer, file.open("wb") as out:
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise FetchProblem("the server sends a content encoding that was not asked for")
        for chunk in _chunks(answer, limits, lambda: time.monotonic() > deadline):
            out.write(chunk)
    return answer.headers


def _chunks(answer: Any, limits: Limits, late: Callable[[], bool]) -> Iterator[bytes]:
    size, promised = 0, answer.headers.get("Content-Length")
    while chunk := answer.read1(CHUNK):
        size += len(chunk)
        if size > limits.download:
            raise FetchProblem(f"it is larger than {limits.download:,} bytes")
        if late():
            raise FetchProblem(f"it takes longer than {limits.seconds:g} s")
        yield chunk
    if promised is not None and promised.isdigit() and int(promised) != size:
        raise FetchProblem(f"the download was cut short: {size:,} of {int(promised):,} bytes")


def _told_checksum(remote: Remote, limits: Limits) -> str | None:
    """The checksum the download must have: as decided, or as the publisher tells it now."""
    if remote.sha256 is not None or remote.checksum_url is None:
        return remote.sha256
    with tempfile.TemporaryDirectory() as aside:
        file = Path(aside) / "checksum"
        _download(remote.checksum_url, file, Known(), replace(limits, download=_CHECKSUM_BYTES))
        text = file.read_text(encoding="utf-8", errors="replace")
    return checksum_in(text, Path(urlsplit(remote.location).path).name)


def checksum_in(text: str, name: str) -> str:
    """The SHA-256 of `name` in a checksum file: its own line, or the only checksum there is. Raises `FetchProblem`."""
    lines = [line for line in text.splitlines() if _SHA256.search(line)]
    named = [line for line in lines if name and name in line.split() + [part.lstrip("*") for part in line.split()]]
    for chosen in (named, lines):
        if len(chosen) == 1 and (found := _SHA256.search(chosen[0])):
            return found.group().lower()
    raise FetchProblem(f"the checksum file tells no SHA-256 of {name!r}")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _tree_digest(folder: Path, room: Room) -> str:
    digest = hashlib.sha256()
    for place, file in tree_files(folder, room):
        said = str(file.readlink()) if file.is_symlink() else _digest(file)
        digest.update(f"{place}\0{said}\n".encode())
    return digest.hexdigest()


def _in_words(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return f"the server cannot be reached: {error.reason}"
    if isinstance(error, TimeoutError):
        return "the server fell silent"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
