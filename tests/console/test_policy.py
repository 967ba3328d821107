"""The page of the policy: read as people read it, by who may.

Shows: `console.pages.policy`, `console.policytable`, `console.policydoors`, `proxy.consolepolicy`.
"""

from __future__ import annotations

from console.roles import Role
from tests.console.rig import Console


def test_read_from_the_top_with_the_rows_nobody_can_change(console: Console) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    told = browser.get("/policy.json").json()
    rules = told["rules"]
    assert [row["rule"] for row in rules[:3]] == ["locked-statutory", "help-always", "trust-malware"]
    assert [row["rule"] for row in rules if row["fixed"]] == [
        "locked-statutory", "help-always", "allow-only", "allow-the-rest",
    ]  # fmt: skip
    tiers = [row["tier"] for row in rules]
    assert tiers == sorted(tiers, key=["locked", "trust", "override", "site", "default"].index)
    club = next(row for row in rules if row["rule"] == "oakwood-chess-club")
    assert (club["who"], club["what"], club["when"], club["sites"]) == (
        "Key Stage 2", "lichess.org", "during after-school clubs", ["oakwood"],
    )  # fmt: skip
    page = browser.get("/policy").text
    assert page.count("Nobody can change this.") == 4
    assert "Chess club plays on Lichess after school." in page
    assert "oakwood-chess-club" in browser.get("/policy.csv").text


def test_the_address_says_what_is_shown(console: Console) -> None:
    browser = console.signed_in(Role.ICT)

    def names(query: str) -> list[str]:
        return [row["rule"] for row in browser.get(f"/policy.json?{query}").json()["rules"]]

    assert names("tier=site") == ["oakwood-chess-club", "riverside-lunch-social-media"]
    assert names("tier=site&site=oakwood") == ["oakwood-chess-club"]
    assert names("q=gambling working&band=staff") == ["staff-gambling"]
    assert "pupils-ai" not in names("band=ks3")
    assert "staff-personal-teaching" in names("band=staff")
    assert names("band=ks1")[-1] == "allow-only"
    assert names("band=ks4")[-1] == "allow-the-rest"
    assert len(names("tier=nonsense")) == len(names(""))
    assert 'href="/policy.csv?tier=site&amp;site=oakwood"' in browser.get("/policy?tier=site&site=oakwood").text


def test_what_each_rule_decided_today_leads_to_its_rows(console: Console) -> None:
    row = {"rule": "pupils-ai", "blocked": True}
    console.store(*({**row, "site": site} for site in ("hillview", "hillview", "oakwood")))
    browser = console.signed_in(Role.ICT)
    told = {row["rule"]: row["today"] for row in browser.get("/policy.json").json()["rules"]}
    assert (told["pupils-ai"], told["pupils-adverts"]) == (3, 0)
    assert "/log?rule=pupils-ai&amp;since=2026-11-24" in browser.get("/policy").text
    here = console.signed_in(Role.TECHNICIAN, "oakwood")
    told = {row["rule"]: row["today"] for row in here.get("/policy.json").json()["rules"]}
    assert (told["pupils-ai"], "riverside-lunch-social-media" in told) == (1, False)


def test_a_governor_reads_it_without_names(console: Console) -> None:
    """Nor does a role of one site read of accounts a rule of the trust names."""
    file = console.data / "policy.yaml"
    text = file.read_text(encoding="utf-8").replace("who: [ks4, ks5]\n", "who: [ks4, ks5, 'not user:dana']\n")
    file.write_text(text, encoding="utf-8")
    (console.data / "run" / "policy-in-force.json").unlink()
    assert "account dana" in console.signed_in(Role.ICT).get("/policy").text
    for browser in (console.signed_in(Role.GOVERNOR), console.signed_in(Role.ICT, "oakwood")):
        for kind in ("", ".json", ".csv"):
            page = browser.get(f"/policy{kind}").text
            assert "1 account" in page
            assert "dana" not in page
    assert console.signed_in(Role.TEACHER).get("/policy").status_code == 403
