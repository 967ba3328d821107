"""The right words for the reader: kind to children, useful to staff, honest to all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import categories
from addons.pagekinds import PageKind
from addons.pagereaders import Audience, Occasion, audience_of
from addons.pages import render
from addons.pagewords import help_for, notice_for, words_for
from policy.client import Band, Client
from policy.model import Reason
from tests.addons.pagesamples import (
    EVERY_BAND,
    EVERY_REASON,
    GAMES,
    NOW,
    REFERENCE,
    page,
    read,
    verdict,
)


class TestWords:
    @pytest.mark.parametrize("band", ["eyfs", "ks1"])
    def test_the_youngest_read_few_kind_words_and_a_grown_up_is_named(self, band: str) -> None:
        """B-46: they are told that grown-ups can see; no evidence, no telephone, no frightening word."""
        text = read(page(verdict(), band)).text
        assert "This page is about playing games." in text
        assert "grown-up" in text
        assert "Grown-ups at school can see which pages you open" in text
        assert "games-in-lessons" not in text
        assert "0800 1111" not in text
        assert str(REFERENCE) in text

    def test_a_key_stage_2_pupil_gets_the_childline_number(self) -> None:
        seen = read(page(verdict(), "ks2"))
        assert "0800 1111" in seen.text
        assert {"href": "https://www.childline.org.uk/", "rel": "noreferrer noopener"} in seen.all("a")

    @pytest.mark.parametrize("band", ["ks3", "ks4", "ks5"])
    def test_an_older_pupil_gets_the_reason_and_what_to_quote(self, band: str) -> None:
        text = read(page(verdict(), band)).text
        for expected in (
            "Games stay closed in lessons.",
            "www.games.example",
            str(REFERENCE),
            "Tuesday 7 July 2026, 10:20:05",
        ):
            assert expected in text
        assert "session=secret" not in text
        assert "games-in-lessons" not in text

    def test_staff_get_evidence_they_can_act_on(self) -> None:
        """The rule, the tier, the list, the entry, who they are to the gateway, and the revision."""
        text = read(page(verdict(terms=("unblocked games",)), "staff")).text
        for expected in (
            *(
                "games-in-lessons",
                "site",
                "starter/games, line 412",
                "games.example",
                "Revision 418",
                "unblocked games",
            ),
            *("https://www.games.example/play/one", str(REFERENCE)),
        ):
            assert expected in text
        assert "session=secret" not in text

    @pytest.mark.parametrize("band", EVERY_BAND)
    def test_everyone_is_told_of_filtering_recording_and_its_limits(self, band: str) -> None:
        """A-23, B-27, B-46, D-35."""
        text = read(page(verdict(), band)).text
        assert notice_for(audience_of(Band(band))) in text
        assert re.search(r"filter", text)
        assert re.search(r"record|logged|note|can see", text)
        assert re.search(r"not catch everything|No filter is complete|No filter catches everything", text)

    @pytest.mark.parametrize("band", ["ks2", "ks3", "ks5"])
    @pytest.mark.parametrize("category", ["self-harm", "eating-disorders", "bullying"])
    def test_where_help_matters_more_than_the_rule_help_comes_first(self, band: str, category: str) -> None:
        """L-14: worded kindly, with support links, and the rule is not argued about."""
        text = read(page(verdict(category=category), band)).text
        assert "help is open" in text
        assert "0800 1111" in text
        assert "Games stay closed" not in text

    def test_a_website_that_failed_is_not_answered_with_a_help_line(self) -> None:
        text = read(page(verdict(reason=Reason.UPSTREAM, category="self-harm"), "ks4")).text
        assert "did not answer" in text

    @pytest.mark.parametrize(("reason", "action", "refused"), EVERY_REASON)
    @pytest.mark.parametrize("band", EVERY_BAND)
    def test_no_page_blames_promises_or_frightens(self, band: str, reason, action, refused) -> None:
        text = read(page(verdict(action, reason), band, refused=refused)).text
        assert not re.search(
            r"\b(forbidden|violation|offence|punish|banned|guarantee|100 ?%|completely safe)\b", text, re.I
        )
        if band in ("eyfs", "ks1", "ks2"):
            assert not re.search(r"\b(illegal|abuse|porn|suspected|police|record id|policy|gateway)\b", text, re.I)

    def test_somebody_unknown_gets_the_strictest_page_and_a_word_to_the_grown_up(self) -> None:
        made = render(verdict(reason=Reason.DEFAULT), Client(address="10.4.2.17"), GAMES, PageKind.HTML, at=NOW)
        text = read(made).text
        assert "For a grown-up: the gateway does not know who is asking" in text
        assert "Let’s stop here" in text

    @pytest.mark.parametrize("occasion", list(Occasion))
    @pytest.mark.parametrize("audience", list(Audience))
    def test_every_reader_has_words_for_everything_that_can_happen(
        self, occasion: Occasion, audience: Audience
    ) -> None:
        words = words_for(occasion, audience)
        assert words.heading
        assert words.lead
        assert words.steps
        if occasion is not Occasion.FAILURE:
            assert words != words_for(Occasion.FAILURE, audience)


class TestHelp:
    def test_every_help_address_is_in_our_own_list_of_help(self) -> None:
        """B-53: a page must not send a pupil to something the gateway would block."""
        folder = Path(categories.__file__).parent / "starter"
        listed = {
            line.split("#")[0].strip() for file in folder.glob("help*.txt") for line in file.read_text().splitlines()
        }
        addresses = {
            place.url for occasion in Occasion for audience in Audience for place in help_for(occasion, audience)
        } - {""}
        assert addresses
        for address in addresses:
            host = address.split("/")[2]
            assert any(host == entry or host.endswith("." + entry) for entry in listed if entry), address
