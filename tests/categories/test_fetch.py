"""Fetching a list: the new version in a folder of its own, or a reason in words; nothing half, nothing unasked."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from categories.archives import Room
from categories.fetch import Fetched, FetchProblem, Known, Limits, Remote, checksum_in, fetch, list_path
from tests.rig.listserver import ListServer

LIST = b"games.example\nmore.example\n"


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer(files={"/games.txt": LIST}) as server:
        yield server


def tree() -> bytes:
    """A UT1 tree as tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("blacklists/games/domains")
        member.size = len(LIST)
        archive.addfile(member, io.BytesIO(LIST))
    return out.getvalue()


def content(fetched: Fetched) -> bytes:
    assert fetched.folder is not None
    return list_path(fetched.folder, tree=False).read_bytes()


def test_a_list_arrives_once(server: ListServer, tmp_path: Path) -> None:
    """The second time its ETag says that it is the same: no version is made, nothing is downloaded."""
    remote = Remote(server.url("/games.txt"), tree=False)
    first = fetch(remote, tmp_path / "store")
    assert content(first) == LIST
    assert first.bytes == len(LIST)
    again = fetch(remote, tmp_path / "store", first.known)
    assert (again.folder, again.known) == (None, first.known)
    server.files["/games.txt"] = LIST + b"new.example\n"
    assert content(fetch(remote, tmp_path / "store", first.known)).endswith(b"new.example\n")
    assert [status for _, status in server.asked] == [200, 304, 200]
    assert len(list((tmp_path / "store").iterdir())) == 2


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
def test_compression_is_seen_not_named(server: ListServer, tmp_path: Path, pack: type[bytes]) -> None:
    server.files["/games.txt"] = pack(LIST)
    assert content(fetch(Remote(server.url("/games.txt"), tree=False), tmp_path)) == LIST


def test_a_tree_arrives_as_a_tree(server: ListServer, tmp_path: Path) -> None:
    server.files["/blacklists.tar.gz"] = tree()
    fetched = fetch(Remote(server.url("/blacklists.tar.gz"), tree=True), tmp_path)
    assert fetched.folder is not None
    assert (fetched.folder / "blacklists" / "games" / "domains").read_bytes() == LIST


def test_a_checksum_that_was_promised_is_checked(server: ListServer, tmp_path: Path) -> None:
    """One that was pinned, and one the publisher tells: the first one spares the download when nothing changed."""
    right = hashlib.sha256(LIST).hexdigest()
    url = server.url("/games.txt")
    assert content(fetch(Remote(url, False, right), tmp_path)) == LIST
    with pytest.raises(FetchProblem, match="not what was promised"):
        fetch(Remote(url, False, "0" * 64), tmp_path)
    server.files["/SUMS"] = f"{'1' * 64}  other.txt\n{right}  games.txt\n".encode()
    told = Remote(url, False, checksum_url=server.url("/SUMS"))
    assert content(fetch(told, tmp_path)) == LIST
    server.asked.clear()
    assert fetch(told, tmp_path, Known(sha256=right)).folder is None
    assert server.asked == [("/SUMS", 200)]
    server.files["/games.txt"] = b"other.example\n"
    with pytest.raises(FetchProblem, match="not what was promised"):
        fetch(told, tmp_path)


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("a" * 64, "x", "a" * 64),
        (f"{'A' * 64} *x.txt", "x.txt", "a" * 64),
        (f"{'a' * 64}  x.txt\n{'b' * 64}  y.txt", "y.txt", "b" * 64),
        (f"SHA256 (x.txt) = {'c' * 64}", "x.txt", "c" * 64),
    ],
)
def test_checksum_files_as_they_are_written(text: str, name: str, found: str) -> None:
    assert checksum_in(text, name) == found


@pytest.mark.parametrize("text", ["", "no sum", f"{'a' * 64} x\n{'b' * 64} y", "a" * 63])
def test_a_checksum_file_that_does_not_tell(text: str) -> None:
    with pytest.raises(FetchProblem, match="tells no SHA-256"):
        checksum_in(text, "games.txt")


def test_a_redirect_only_leads_to_https(server: ListServer, tmp_path: Path) -> None:
    """Not to another plain address, not to a file of this machine."""
    for target in (server.url("/games.txt"), "file:///etc/passwd", "ftp://lists.example/x"):
        server.redirects["/moved"] = target
        with pytest.raises(FetchProblem, match=r"only https:// is followed|is not allowed"):
            fetch(Remote(server.url("/moved"), tree=False), tmp_path)


def test_the_environment_sends_nobody_through_a_proxy(
    server: ListServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list must not depend on the gateway it is for."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert content(fetch(Remote(server.url("/games.txt"), tree=False), tmp_path)) == LIST


def test_what_goes_wrong_is_told_and_leaves_nothing(server: ListServer, tmp_path: Path) -> None:
    server.cut.add("/cut.txt")
    server.files |= {"/cut.txt": LIST, "/large.txt": b"x" * 5000, "/broken.gz": gzip.compress(LIST)[:-9]}
    server.files["/bomb.gz"] = gzip.compress(bytes(300_000))
    limits = Limits(download=4000, room=Room(bytes=100_000), silence=2)
    for path, says in (
        ("/absent.txt", "404"),
        ("/cut.txt", "cut short|fell silent|IncompleteRead"),
        ("/large.txt", "larger than 4,000 bytes"),
        ("/broken.gz", "damaged"),
        ("/bomb.gz", "a bomb, or not a list"),
    ):
        with pytest.raises(FetchProblem, match=says):
            fetch(Remote(server.url(path), tree=False), tmp_path / "store", limits=limits)
    with pytest.raises(FetchProblem, match="cannot be reached"):
        fetch(Remote("http://127.0.0.1:9/", tree=False), tmp_path / "store", limits=limits)
    assert list((tmp_path / "store").iterdir()) == []


def test_a_slow_server_is_given_up(tmp_path: Path) -> None:
    """A byte now and then does not stretch the time a download may take."""
    with ListServer(files={"/slow.txt": b"x" * 1000}) as server, pytest.raises(FetchProblem, match="takes longer"):
        fetch(Remote(server.url("/slow.txt"), tree=False), tmp_path, limits=Limits(seconds=-1))


def test_files_and_folders_of_this_machine(tmp_path: Path) -> None:
    """Copied, so that an edit is only in force after an update, checked."""
    file, folder = tmp_path / "own.txt", tmp_path / "tree"
    file.write_bytes(LIST)
    (folder / "games").mkdir(parents=True)
    (folder / "games" / "domains").write_bytes(LIST)
    (folder / "fun").symlink_to("games")
    first = fetch(Remote(str(file), tree=False), tmp_path / "store")
    assert content(first) == LIST
    assert fetch(Remote(str(file), tree=False), tmp_path / "store", first.known).folder is None
    grown = fetch(Remote(str(folder), tree=True), tmp_path / "store2")
    assert grown.folder is not None
    assert (grown.folder / "fun" / "domains").read_bytes() == LIST
    assert fetch(Remote(str(folder), tree=True), tmp_path / "store2", grown.known).folder is None
    for wrong, is_tree, says in (
        (folder, False, "format `ut1`"),
        (tmp_path / "absent", False, "is not there"),
        (file, True, "no archive"),
    ):
        with pytest.raises(FetchProblem, match=says):
            fetch(Remote(str(wrong), tree=is_tree), tmp_path / "store3")
