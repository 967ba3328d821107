"""Why squidGuard and we disagree about a URL: each class shows the listed entry that makes it, or it is unexplained."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.squidguard import Entries, why

UNEXPLAINED = "unexplained"
LISTED = {
    "adult": (
        ["lost.example", "deep.other.example", "crowd.example", "a.crowd.example"],
        ["pages.example/dir/page.html", "forum.example/show?id=7"],
    ),
    "proxy-x": (["198.51.100.7"], ["plain.example/dir", "spelt.example/secret"]),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ut1")
    for name, (domains, urls) in LISTED.items():
        (folder / name).mkdir()
        (folder / name / "domains").write_text("\n".join(domains) + "\n")
        (folder / name / "urls").write_text("\n".join(urls) + "\n")
    return folder


DISAGREEMENTS = [
    # A domain that one side lost is nobody's rounding: whatever else its category holds.
    ("http://lost.example/", "adult", "", UNEXPLAINED),
    ("http://www.lost.example/page", "adult", "", UNEXPLAINED),
    ("http://x.deep.other.example/", "adult", "", UNEXPLAINED),
    ("http://lost.example/", "", "ut1/adult", UNEXPLAINED),
    ("http://nobody.example/", "adult", "", UNEXPLAINED),
    # Blocked by us, and nothing lists it.
    ("http://en.wikipedia.org/wiki/Cat", "", "ut1/adult", UNEXPLAINED),
    ("http://nobody.example:8080/x", "", "ut1/adult", UNEXPLAINED),
    ("http://nobody.example/%41", "", "ut1/adult", UNEXPLAINED),
    ("http://pages.example/elsewhere", "", "ut1/adult", UNEXPLAINED),
    ("http://plain.example/dir/below", "", "ut1/proxy-x", UNEXPLAINED),
    ("http://plain.example/", "", "help", UNEXPLAINED),
    ("http://plain.example/", "", "unreadable", UNEXPLAINED),
    ("http://203.0.113.9/", "", "ut1/proxy-x", UNEXPLAINED),
    # Explained, each by an entry of that host.
    ("http://pages.example/dir/other.html", "adult", "", "cuts to its folder"),
    ("http://pages.example/dir/page.html", "adult", "", UNEXPLAINED),
    ("http://pages.example/dir/other.html", "proxy_x", "", UNEXPLAINED),
    ("http://pages.example/dir/page.html", "", "ut1/adult", "query or file name"),
    ("http://www.forum.example/show?id=7", "", "ut1/adult", "query or file name"),
    ("http://plain.example:8080/dir/x", "", "ut1/proxy-x", "a port in the URL"),
    ("http://spelt.example/%73ecret", "", "ut1/proxy-x", "another spelling"),
    ("http://spelt.example//secret", "", "ut1/proxy-x", "another spelling"),
    ("http://b.crowd.example/x", "", "ut1/adult", "finds the neighbour"),
    ("http://a.crowd.example/x", "", "ut1/adult", UNEXPLAINED),
    ("http://crowd.example/x", "", "ut1/adult", UNEXPLAINED),
    ("http://b.crowd.example/x", "adult", "", UNEXPLAINED),
    ("http://198.51.100.7/", "", "ut1/proxy-x", "an address as host"),
    ("http://bad..example/", "", "unreadable", "not a URL to us"),
]


@pytest.mark.parametrize(("text", "theirs", "ours", "says"), DISAGREEMENTS)
def test_every_class_proves_itself(tree: Path, text: str, theirs: str, ours: str, says: str) -> None:
    assert says in why(text, theirs, ours, Entries(tree, [text]))
