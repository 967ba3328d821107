"""An import proposes what loads, compiles, and decides as the old filter did.

Shows: `proxy.importtask`
"""

from __future__ import annotations

import argparse
import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from categories.names import canonical_url
from categories.pagescan import PageScan
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Action, Request, Stage
from policy.rules import load_policy
from proxy.assembly import known_categories, open_index
from proxy.commands import lists
from proxy.listimport import ImportProblem, import_tree, reasons
from proxy.settings import Settings, load_settings
from tests.categories.importers.e2guardian_folder import write_installation
from tests.categories.importers.test_squidguard_conf import CONF, LISTS

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def engine_of(into: Path) -> Engine:
    """The proposals, put in force as a school would."""
    settings = load_settings(into / "settings.yaml").model_copy(
        update={"data": into.parent / "data", "starter_lists": False}
    )
    index = open_index(settings)
    categories = known_categories(load_taxonomy(), index)
    text = (into / "policy.yaml").read_text(encoding="utf-8")
    return Engine(index, load_policy(text, file="policy.yaml", categories=categories))


def decided(engine: Engine, url: str, group: str = "", at: datetime = MONDAY) -> str:
    """What is done, and by which rule."""
    client = Client(site="school", groups=frozenset({group} - {""}), band=Band.KS4, band_known=True)
    verdict = engine.decide(Request(canonical_url(url)), client, at)
    return f"{verdict.action} {verdict.rule}"


@pytest.mark.parametrize(
    ("url", "group", "decision"),
    [
        ("closed.example", "", "block pupils-banned"),
        ("www.closed.example", "", "block pupils-banned"),
        ("adult.example", "", "allow pupils-local-exception"),
        ("open.example", "", "allow pupils-exception"),
        ("play.example", "", "allow pupils-exception"),
        ("portal.example/games/1", "", "block pupils-banned"),
        ("a.portal.example/games", "", "block pupils-banned"),
        ("portal.example/", "", "allow pupils-rest"),
        ("dice.example", "", "block pupils-banned"),
        ("anything.example", "", "allow pupils-rest"),
        ("staff-closed.example", "", "allow pupils-rest"),
        ("staff-closed.example", "staff-room", "block staff-room-banned"),
        ("anything.example", "staff-room", "block staff-room-blanket"),
        ("www.google.com/search?q=Girl+naughty", "", "block pupils-banned-search"),
        ("www.google.com/search?q=naughty+girl", "", "block pupils-banned-search"),
        ("www.google.com/search?q=naughty+girl+scouts", "", "allow pupils-rest"),
        ("www.google.com/search?q=naughty", "", "allow pupils-rest"),
        ("www.google.com/search?q=a+nerve+agent", "", "allow pupils-rest"),
        ("www.google.com/search?q=poker", "", "allow pupils-rest"),
        ("open.example/search?q=a+nerve+agent", "", "allow pupils-exception"),
    ],
)
def test_an_imported_e2guardian_decides_as_before(tmp_path: Path, url: str, group: str, decision: str) -> None:
    """Local before main, exception before banned, a group's lists for that group only, blanket at the end."""
    import_tree(write_installation(tmp_path), "e2guardian", tmp_path / "into")
    assert decided(engine_of(tmp_path / "into"), url, group) == decision


@pytest.mark.parametrize(
    ("limit", "search"), [("", "allow pupils-rest"), ("searchtermlimit = 60\n", "block pupils-phrases")]
)
def test_imported_phrases_close_pages_and_searches_where_they_did(tmp_path: Path, limit: str, search: str) -> None:
    """Searches only for a group that has a limit for them."""
    root = write_installation(tmp_path)
    group = root / "e2guardianf1.conf"
    group.write_text(limit + group.read_text())
    import_tree(root, "e2guardian", tmp_path / "into")
    engine = engine_of(tmp_path / "into")
    assert decided(engine, "www.google.com/search?q=a+nerve+agent") == search
    assert engine.index.pages is not None
    scan = PageScan(engine.index.pages)
    scan.feed(b"<p>Nothing of a nerve agent</p>")
    page = Request(canonical_url("anything.example"), Stage.RESPONSE, found=scan.findings(last=True))
    verdict = engine.decide(page, Client(site="school", band=Band.KS4, band_known=True), MONDAY)
    assert (verdict.action, verdict.rule) == (Action.BLOCK, "pupils-phrases")


@pytest.mark.parametrize(
    ("url", "group", "hour", "decision"),
    [
        ("adult.example", "office", 9, "block office-1-2-adult"),
        ("adult.example", "office", 12, "allow office-2-1-any"),
        ("school.example", "pupils", 9, "allow pupils-1-good"),
        ("http://192.0.2.1/", "pupils", 9, "allow pupils-7-all"),
        ("games.example", "pupils", 9, "block pupils-4-games"),
        ("games.example", "pupils", 16, "allow pupils-7-all"),
        ("games.example", "pupils", 18, "block default-2-none"),
        ("school.example", "", 9, "allow default-1-good"),
        ("a.portal.example/adult", "office", 9, "allow office-1-3-any"),
        ("www.portal.example/adult", "office", 9, "block office-1-2-adult"),
    ],
)
def test_an_imported_squidguard_decides_as_before(
    tmp_path: Path, url: str, group: str, hour: int, decision: str
) -> None:
    """Word by word, by the time of day, `default` for everybody else; URL lists do not walk up the host."""
    for name, text in {"squidGuard.conf": CONF, **LISTS}.items():
        (tmp_path / "db" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "db" / name).write_text(text)
    import_tree(tmp_path / "db", "squidguard", tmp_path / "into")
    assert decided(engine_of(tmp_path / "into"), url, group, MONDAY.replace(hour=hour)) == decision


def test_the_folder_holds_everything_to_read(tmp_path: Path) -> None:
    """Lists as they were, settings, policy, people, and the report."""
    root = write_installation(tmp_path)
    report = import_tree(root, "e2guardian", tmp_path / "into")
    into = tmp_path / "into"
    names = sorted(path.name for path in into.iterdir())
    assert names == ["lists", "people.csv", "policy.yaml", "report.json", "settings.yaml"]
    for item in load_settings(into / "settings.yaml").lists:
        assert item.path.read_bytes() == (root / item.name.removeprefix("e2guardian/")).read_bytes()
    with (into / "people.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [["user", "group"], ["head", "staff-room"]]
    told = json.loads((into / "report.json").read_text())
    assert told["lines_left_out"] == report.lines_left_out
    assert len(told["problems"]) == len(report.problems)


@pytest.mark.parametrize(
    ("name", "format", "text", "taken", "left_out"),
    [
        ("ads.txt", "adblock", "! ads\n||ads.example^\n@@||good.example^\n##.ad\n", 1, 2),
        ("bad.conf", "dnsmasq", "address=/a.example/0.0.0.0\ncache-size=1\n", 1, 1),
        ("table.csv", "csv", "url,category\na.example,games\nb.example,\n", 1, 1),
        ("games", "hosts", "0.0.0.0 a.example\nno\n", 1, 1),
        ("nets", "networks", "10.0.0.0/8\n10.0.0.1-10.0.0.9\nx\n", 2, 1),
        ("wild", "domains", "*.a.example\nb.example\n", 2, 0),
    ],
)
def test_a_single_list_is_read_through(
    tmp_path: Path, name: str, format: str, text: str, taken: int, left_out: int
) -> None:
    """Every format of a list, with its report and its place in the settings."""
    (tmp_path / name).write_text(text)
    report = import_tree(tmp_path / name, format, tmp_path / "into")
    assert (report.lines_taken, report.lines_left_out) == (taken, left_out)
    (configured,) = load_settings(tmp_path / "into" / "settings.yaml").lists
    assert configured.path.read_text() == text
    assert sum(lines for _, lines in reasons(report)) >= left_out


@pytest.mark.parametrize(
    ("source", "format", "why"),
    [("missing", "adblock", "not there"), (".", "e3guardian", "unknown"), ("empty", "ut1", "no category folder")],
)
def test_what_cannot_be_imported_leaves_nothing(tmp_path: Path, source: str, format: str, why: str) -> None:
    """One sentence, and no folder."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportProblem, match=why):
        import_tree(tmp_path / source, format, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_a_folder_in_use_is_not_touched(tmp_path: Path) -> None:
    """Somebody may have edited the proposals."""
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "policy.yaml").write_text("mine")
    with pytest.raises(ImportProblem, match="not empty"):
        import_tree(write_installation(tmp_path), "e2guardian", tmp_path / "into")
    assert (tmp_path / "into" / "policy.yaml").read_text() == "mine"


def test_the_command_tells_numbers_and_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people, and with `--json` for programs; 1 when it cannot be done."""
    root = write_installation(tmp_path)
    parser = argparse.ArgumentParser()
    lists.add(parser.add_subparsers())

    def run(*arguments: str) -> int:
        args = parser.parse_args(["lists", "import", *arguments])
        status: int = args.handle(args, Settings())
        return status

    assert run(str(root), "--format", "e2guardian", "--into", str(tmp_path / "one")) == 0
    out = capsys.readouterr()
    assert "11 lists, 8 rules, 2 phrases, 2 searches" in out.out
    assert "nothing is in force yet" in out.err
    assert run(str(root), "--format", "e2guardian", "--into", str(tmp_path / "two"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert run(str(root), "--format", "e2guardian", "--into", str(tmp_path / "two"), "--json") == 1
    assert "not empty" in json.loads(capsys.readouterr().out)["problem"]
