"""`schoolgate lists add|update|remove|diff|entry`: what is in force stays until something better is complete.

Shows: `proxy.listtasks`, `proxy.listchanges`, `proxy.listchecks`, `proxy.sourcestore`
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from categories.fetch import Known
from categories.names import canonical_url
from categories.snapshot import open_snapshot
from proxy.settings import Settings, load_settings
from proxy.sourcestore import State, read_state, store_of
from tests.categories.signing import public_key, sign
from tests.proxy.test_users import Technician
from tests.rig.listserver import ListServer

MANY = "".join(f"h{number}.example\n" for number in range(200)).encode()


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer(files={"/games.txt": MANY}) as server:
        yield server


@pytest.fixture
def technician(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Technician:
    """At a school whose starter lists are off, so that a compilation is quick."""
    technician = Technician(tmp_path, monkeypatch, capsys, command="lists")
    (tmp_path / "help.txt").write_text("childline.org.uk\n")
    told = [{"name": "own-help", "path": "help.txt", "category": "help"}]
    technician.settings.write_text(
        json.dumps({"data": "data", "starter_lists": False, "lists": told, "list_servers": ["127.0.0.1"]})
    )
    return technician


def settings(technician: Technician) -> Settings:
    return load_settings(technician.settings)


def categories(technician: Technician, host: str) -> set[str]:
    """What the lists in force say of a host."""
    index = open_snapshot(technician.data / "lists")
    return {match.category for match in index.match(canonical_url(host))}


def add(technician: Technician, location: str, *words: str, name: str = "arcade", status: int = 0) -> Any:
    return technician.json("add", name, location, *words, "--reason", "club", status=status)


def test_a_list_is_added_updated_compared_and_removed(technician: Technician, server: ListServer) -> None:
    """The whole life; each step in the trail."""
    url = server.url("/games.txt")
    added = add(technician, url, "--category", "games", "--every", "24h", "--licence", "CC BY-SA 4.0")
    assert [(one["name"], one["state"]) for one in added["outcomes"]] == [("arcade", "updated")]
    assert categories(technician, "h7.example") == {"games"}
    assert technician.json("update")["outcomes"] == [
        {"name": "arcade", "state": "unchanged", "what": "", "changes": None}
    ]
    server.files["/games.txt"] = MANY.replace(b"h7.example\n", b"") + b"fresh.example\n"
    assert technician.json("update", "arcade")["outcomes"][0]["changes"]["added"] == 1
    assert (categories(technician, "h7.example"), categories(technician, "fresh.example")) == (set(), {"games"})
    assert technician.types("diff", "arcade") == 0
    assert "+ arcade: fresh.example" in technician.said
    assert "- arcade: h7.example" in technician.said
    sources = technician.json("status")["sources"]
    assert (sources[0]["name"], sources[0]["licence"], sources[0]["entries"]) == ("arcade", "CC BY-SA 4.0", 200)
    assert technician.types("status") == 0
    assert "last success 20" in technician.said
    technician.json("remove", "arcade", "--reason", "over")
    assert categories(technician, "fresh.example") == set()
    assert not store_of(settings(technician), "arcade").exists()
    assert [line[1] for line in technician.trail()] == ["list.add", "list.update", "list.update", "list.remove"]


@pytest.mark.parametrize(
    ("fresh", "says"),
    [
        (b"h1.example\n", "would shrink from 200 to 1 entries"),
        (b"<html>sign in to the hotel</html>\n", "no entry in it that can be read"),
        (b"".join(b"x%d.example\n" % number for number in range(1000)), "would grow from 200 to 1,000"),
        (None, "404"),
    ],
)
def test_a_bad_version_stays_out_and_is_told(
    technician: Technician, server: ListServer, fresh: bytes | None, says: str
) -> None:
    """The old version stays in force, the state says why, and the metric counts."""
    add(technician, server.url("/games.txt"), "--category", "games")
    if fresh is None:
        del server.files["/games.txt"]
    else:
        server.files["/games.txt"] = fresh
    refused = technician.json("update", "arcade", status=1)
    assert says in refused["problem"]
    assert "stays in force" in refused["problem"]
    assert categories(technician, "h7.example") == {"games"}
    state = read_state(settings(technician), "arcade")
    assert (state.failures, says in state.problem) == (1, True)
    technician.types("status")
    assert says.split(maxsplit=1)[0] in technician.said
    server.files["/games.txt"] = MANY + b"well.example\n"
    technician.json("update", "arcade")
    state = read_state(settings(technician), "arcade")
    assert (state.failures, state.problem) == (1, "")
    assert len([path for path in store_of(settings(technician), "arcade").iterdir() if path.is_dir()]) <= 2


def test_a_list_is_read_as_it_was_added(technician: Technician, server: ListServer) -> None:
    """URLs that fit hosts below theirs, phrases with a limit of their own, and a download of at most so many bytes."""
    server.files["/pages.txt"] = b"games.example/arcade\n"
    server.files["/words.txt"] = b"<playtime><50>\n<arcade><50>\n"
    add(technician, server.url("/pages.txt"), "--category", "games", "--format", "urls", "--url-match", "parents")
    words = ("--category", "gambling", "--format", "phrases", "--limit", "90", "--apply-to", "search,url")
    add(technician, server.url("/words.txt"), *words, name="words")
    index = open_snapshot(technician.data / "lists")
    assert [m.category for m in index.match(canonical_url("https://deep.games.example/arcade/1"))] == ["games"]
    assert [m.category for m in index.match_words(canonical_url("https://x.example/playtime-arcade"))] == ["gambling"]
    assert index.match_words(canonical_url("https://x.example/playtime")) == ()
    refused = add(
        technician, server.url("/games.txt"), "--category", "games", "--max-bytes", "100", name="large", status=1
    )
    assert "100" in refused["problem"]


def test_a_technician_may_take_a_list_that_shrank(technician: Technician, server: ListServer) -> None:
    add(technician, server.url("/games.txt"), "--category", "games")
    server.files["/games.txt"] = b"h1.example\n"
    technician.json("update", "arcade", status=1)
    technician.json("update", "arcade", "--anyway")
    assert categories(technician, "h7.example") == set()


@pytest.mark.parametrize("host", ["childline.org.uk", "www.gov.uk", "intranet.oakwood.example"])
def test_no_list_closes_what_must_stay_open(technician: Technician, server: ListServer, host: str) -> None:
    """A site that is never blocked, and the school's own: refused, whatever is said. A help site stays open anyway."""
    told = json.loads(technician.settings.read_text())
    technician.settings.write_text(json.dumps({**told, "list_checks": {"never_blocked": ["intranet.oakwood.example"]}}))
    add(technician, server.url("/games.txt"), "--category", "malware")
    server.files["/games.txt"] = MANY + f"{host}\n".encode()
    if host == "childline.org.uk":
        technician.json("update", "arcade", "--anyway")
        return
    for words in ((), ("--anyway",)):
        refused = technician.json("update", "arcade", *words, status=1)
        assert f"{host} would be blocked for" in refused["problem"]
        assert categories(technician, host) == set()


def test_one_bad_list_does_not_keep_the_others_back(technician: Technician, server: ListServer) -> None:
    server.files["/video.txt"] = MANY.replace(b"h", b"v")
    add(technician, server.url("/games.txt"), "--category", "games")
    add(technician, server.url("/video.txt"), "--category", "video", name="films")
    server.files["/games.txt"] = b"h1.example\n"
    server.files["/video.txt"] += b"new.example\n"
    said = technician.json("update", status=1)
    assert {one["name"]: one["state"] for one in said["outcomes"]} == {"arcade": "failed", "films": "updated"}
    assert (categories(technician, "h7.example"), categories(technician, "new.example")) == ({"games"}, {"video"})


def test_a_refused_version_is_not_compiled_again_and_again(technician: Technician, server: ListServer) -> None:
    """The schedule asks often; the same bad version is known."""
    add(technician, server.url("/games.txt"), "--category", "games")
    server.files["/games.txt"] = b"h1.example\n"
    technician.json("update", "arcade", status=1)
    again = technician.json("update", "arcade", status=1)
    assert "would shrink" in again["problem"]
    assert "seconds" not in again


def test_a_list_is_signed_by_the_key_that_was_decided_on(technician: Technician, server: ListServer) -> None:
    """Unsigned, or by somebody else's key, it is not added; later the old version stays, and the alarm says why."""
    mine, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    url, words = server.url("/games.txt"), ("--category", "games", "--key", public_key(mine))
    assert "cannot be had" in add(technician, url, *words, status=1)["problem"]
    server.files["/games.txt.minisig"] = sign(other, MANY)
    assert "made by key" in add(technician, url, *words, status=1)["problem"]
    assert technician.json("status")["sources"][:1] == [] or "arcade" not in str(technician.json("status")["sources"])
    server.files["/games.txt.minisig"] = sign(mine, MANY)
    add(technician, url, *words)
    assert technician.json("status")["sources"][0]["key"] == public_key(mine)
    server.files["/games.txt"] = forged = MANY + b"forged.example\n"
    assert "the version before stays" in technician.json("update", "arcade", status=1)["problem"]
    assert categories(technician, "h7.example") == {"games"}
    assert categories(technician, "forged.example") == set()
    assert read_state(settings(technician), "arcade").failures == 1
    del server.files["/games.txt.minisig"]
    assert "cannot be had" in technician.json("update", "arcade", status=1)["problem"]
    server.files["/games.txt.minisig"] = sign(mine, forged)
    technician.json("update", "arcade")
    assert categories(technician, "forged.example") == {"games"}
    assert read_state(settings(technician), "arcade").problem == ""


@pytest.mark.parametrize("left", [True, False])
def test_what_came_without_a_signature_does_not_count_under_a_key(
    technician: Technician, server: ListServer, left: bool
) -> None:
    """A list removed and added again, with a key: the same bytes must be signed, whatever a removal left behind."""
    url, store = server.url("/games.txt"), store_of(settings(technician), "arcade")
    add(technician, url, "--category", "games")
    shutil.copytree(store, aside := technician.data / "aside")
    technician.json("remove", "arcade", "--reason", "over")
    if left:
        shutil.copytree(aside, store)
    words = ("--category", "games", "--key", public_key(Ed25519PrivateKey.generate()))
    assert "cannot be had" in add(technician, url, *words, status=1)["problem"]
    assert categories(technician, "h7.example") == set()
    assert not store.exists()


def test_a_removal_that_could_not_be_compiled_leaves_no_version_behind(
    technician: Technician, server: ListServer
) -> None:
    """The register says gone; what another list's mistake holds up is only the compilation."""
    add(technician, server.url("/games.txt"), "--category", "games")
    (technician.settings.parent / "help.txt").unlink()
    technician.json("remove", "arcade", "--reason", "over", status=1)
    assert not store_of(settings(technician), "arcade").exists()


def test_a_version_is_known_only_under_the_key_that_signed_it() -> None:
    """For another key, or once there is one, it is fetched and checked again."""
    state = State(version="v", etag="e", sha256="s", key="RWmine")
    assert state.known("RWmine") == Known("e", None, "s")
    assert state.known("RWother") == state.known(None) == Known()
    assert State(version="v", sha256="s").known("RWmine") == Known()


def test_a_well_known_host_stays_known(technician: Technician, server: ListServer) -> None:
    """Asked for in the settings: without it, no update."""
    told = json.loads(technician.settings.read_text())
    checks = {"classified": {"h3.example": "games"}}
    technician.settings.write_text(json.dumps({**told, "list_checks": checks}))
    add(technician, server.url("/games.txt"), "--category", "games")
    server.files["/games.txt"] = MANY.replace(b"h3.example\n", b"")
    assert "h3.example would no longer be known as games" in technician.json("update", status=1)["problem"]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("add", "arcade", "/nowhere/games.txt", "--category", "games", "--reason", "x"), 1, "is not there"),
        (("add", "arcade", "/nowhere/games.txt", "--reason", "x"), 2, "Say --category"),
        (("add", "arcade", "/nowhere/x", "--category", "help", "--reason", "x"), 1, "by the product alone"),
        (("add", "arcade", "/nowhere/x", "--category", "terrorism", "--reason", "x"), 1, "statutory list alone"),
        (("add", "arcade", "/nowhere/x", "--category", "games", "--every", "5m", "--reason", "x"), 1, "too often"),
        (("add", "arcade", "/nowhere/x", "--category", "wrongly-listed", "--reason", "x"), 1, "(TRUST) opens"),
        (("entry", "add", "wrongly-listed", "porn.example", "--reason", "x"), 1, "(TRUST) opens"),
        (("entry", "add", "school-services", "chat.example", "--reason", "x"), 1, "'trust-under-13' (TRUST) opens"),
        (("add", "own-help", "/nowhere/x", "--category", "games", "--reason", "x"), 1, "another list"),
        (("remove", "arcade"), 1, "no list that was added by command"),
        (("update", "arcade"), 1, "no list 'arcade'"),
        (("diff", "arcade"), 1, "no list 'arcade'"),
        (("entry", "add", "ks2-choosen", "a.example", "--reason", "x"), 1, "did you mean 'ks2-chosen'"),
        (("entry", "remove", "ks2-chosen", "a.example"), 1, "no entry of yours"),
    ],
)
def test_what_cannot_be_done(technician: Technician, words: tuple[str, ...], status: int, says: str) -> None:
    """No is 1, usage is 2; a list that cannot be had is not added."""
    assert technician.types(*words) == status
    assert says in technician.told + technician.said
    technician.json("update")
    assert [one["name"] for one in technician.json("status")["sources"]] == ["all"]


def test_an_own_entry_needs_no_compilation(technician: Technician) -> None:
    """Chosen for Key Stage 2 for an hour; `explain` knows it at once; taken out again."""
    made = technician.json("entry", "add", "ks2-chosen", "Chess.Example", "--for", "1h", "--reason", "chess week")
    assert (made["entry"], made["category"]) == ("chess.example", "ks2-chosen")
    technician.command = "explain"
    verdict = technician.json("http://www.chess.example/", "--band", "ks2")
    assert (verdict["action"], verdict["list"]) == ("allow", "own/ks2-chosen")
    technician.command = "lists"
    assert technician.types("entry", "list") == 0
    assert "chess week" in technician.said
    technician.json("entry", "remove", "ks2-chosen", "chess.example", "--reason", "over")
    assert technician.json("entry", "list") == []
    assert [line[1] for line in technician.trail()] == ["entry.add", "entry.remove"]
