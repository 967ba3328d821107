"""The pages people see instead of a site: nothing in them that could hurt, leak or mislead.

Shows: `addons.pageevidence`, `addons.pagereaders`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.pagekinds import PageKind
from addons.pages import STYLE, Page, Surroundings, moved, render
from addons.proceed import PATH, offer
from categories.model import EntryKind, Match
from categories.names import Url
from policy.client import Band, Client
from policy.model import Action, Reason, Stage, Tier, Verdict
from tests.addons.pagesamples import (
    EVERY_BAND,
    EVERY_REASON,
    GAMES,
    NOW,
    REFERENCE,
    header,
    page,
    person,
    read,
    verdict,
)


class TestSuspectedIllegalContent:
    SECRET = ("www.games.example", "games.example", "/play/one", "starter/games", "abuse", "games-in-lessons")

    @pytest.mark.parametrize("band", EVERY_BAND)
    @pytest.mark.parametrize("kind", list(PageKind))
    def test_nobody_sees_the_address_the_entry_or_the_category_again(self, band: str, kind: PageKind) -> None:
        """A-25: nothing to click, copy or try again, in no form of the answer."""
        made = page(verdict(reason=Reason.STATUTORY, category="child-abuse"), band, kind)
        everything = made.body.decode("latin-1") + str(made.headers)
        for secret in self.SECRET:
            assert secret not in everything

    def test_staff_are_told_exactly_what_to_do(self) -> None:
        """A-25: nobody checks by opening it, the head is told at once, the machine is switched off and secured."""
        text = read(page(verdict(reason=Reason.STATUTORY, category="child-abuse"), "staff")).text
        for step in (
            *("Do not try the address again", "Do not investigate", "Do not close or clear anything", "Tell the head"),
            *("Switch the machine off at the power", "Nobody checks by opening it", str(REFERENCE), "lab2-14"),
        ):
            assert step in text
        assert "Stop It Now" in text

    @pytest.mark.parametrize("band", ["ks1", "ks2"])
    def test_children_are_told_that_they_are_not_in_trouble(self, band: str) -> None:
        seen = read(page(verdict(reason=Reason.STATUTORY, category="child-abuse"), band))
        assert "You are not in trouble" in seen.text
        assert "alarm" not in (seen.all("body")[0]["class"] or "")

    def test_the_status_tells_nothing_apart(self) -> None:
        """A status of its own would let anyone read the statutory list out, address by address."""
        illegal, ordinary = page(verdict(reason=Reason.STATUTORY), "ks4"), page(verdict(), "ks4")
        assert illegal.status == ordinary.status == 403


class TestWarning:
    def offered(self, made: Verdict, band: str = "ks4", kind: PageKind = PageKind.HTML) -> Page:
        button = offer(b"s" * 32, made, person(band), GAMES, NOW, back="/play/one")
        return page(made, band, kind, proceed=button)

    def test_a_warning_has_one_button_that_posts_to_the_same_origin(self) -> None:
        made = self.offered(verdict(Action.WARN))
        form = read(made).all("form")[0]
        assert form["method"] == "post"
        assert (form["action"] or "").startswith(f"{PATH}?token=")
        assert "form-action 'self'" in (header(made, "content-security-policy") or "")
        assert "You can go on for 30 minutes" in read(made).text

    def test_without_an_offer_there_is_no_button_and_no_promise_of_one(self) -> None:
        made = page(verdict(Action.WARN), "ks4")
        assert not read(made).all("form")
        assert "go on for" not in read(made).text

    @pytest.mark.parametrize("action", [Action.BLOCK, Action.ALLOW, Action.BYPASS])
    def test_no_other_verdict_is_offered_a_way_on(self, action: Action) -> None:
        assert offer(b"s" * 32, verdict(action), person("staff"), GAMES, NOW) is None

    @pytest.mark.parametrize("kind", [kind for kind in PageKind if kind is not PageKind.HTML])
    def test_scripts_frames_and_images_never_get_the_token(self, kind: PageKind) -> None:
        """A page's own script could fetch itself and press the button for the pupil."""
        made = self.offered(verdict(Action.WARN), kind=kind)
        assert b"token" not in made.body
        assert "form-action 'self'" not in str(made.headers)

    def test_going_back_after_the_button_is_a_see_other(self) -> None:
        made = moved("/play/one")
        assert (made.status, header(made, "location"), made.body) == (303, "/play/one", b"")


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "a\r\nSet-Cookie: x=1",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "\ud800",
    "\x00\x1b[31m",
    "&lt;b&gt;",
]


class TestHostileText:
    @pytest.mark.parametrize("evil", HOSTILE)
    @pytest.mark.parametrize("kind", list(PageKind))
    @pytest.mark.parametrize("band", ["ks1", "ks4", "staff"])
    def test_whatever_stands_in_a_name_stays_text(self, band: str, kind: PageKind, evil: str) -> None:
        made = hostile_page(evil, band, kind)
        assert_harmless(made)
        if kind is PageKind.JSON:
            json.loads(made.body)

    @given(evil=st.text(max_size=60), band=st.sampled_from(EVERY_BAND), kind=st.sampled_from(list(PageKind)))
    def test_any_text_at_all(self, evil: str, band: str, kind: PageKind) -> None:
        assert_harmless(hostile_page(evil, band, kind))

    def test_text_that_changes_direction_is_made_visible(self) -> None:
        text = read(hostile_page("\u202egnp.exe", "staff", PageKind.HTML)).text
        assert "\u202e" not in text
        assert "�gnp.exe" in text

    def test_a_megabyte_of_address_does_not_make_a_megabyte_of_page(self) -> None:
        long = Url("https", "www.games.example", 443, "/" + "a" * 1_000_000, "", "games.example")
        assert len(page(verdict(), "staff", url=long).body) < 20_000


def hostile_page(evil: str, band: str, kind: PageKind) -> Page:
    made = Verdict(
        Action.WARN,
        Reason.RULE,
        evil,
        tier=Tier.SITE,
        rule=evil,
        category=evil,
        match=Match(evil, evil, evil, 1, EntryKind.PHRASE),
        terms=(evil,),
        revision=evil,
    )
    client = Client(site=evil, device=evil, address=evil, user=evil, band=Band(band), band_known=True, source=evil)
    url = Url("https", "host" + evil, 443, "/" + evil, evil)
    around = Surroundings(school=evil, contact=evil, realm=evil)
    button = offer(b"s" * 32, made, client, url, NOW, back="/" + evil)
    return render(made, client, url, kind, at=NOW, around=around, reference=evil, proceed=button, refused=evil)


def assert_harmless(made: Page) -> None:
    """No element, attribute or header line that we did not write."""
    for name, value in made.headers:
        assert re.fullmatch(r"[A-Za-z-]+", name)
        assert re.fullmatch(r"[\x20-\x7e]*", value), value
    if not made.body.startswith(b"<!doctype html>"):
        return
    seen = read(made)
    ours = {
        *("html", "head", "meta", "title", "link", "style", "body", "main", "svg", "path", "circle", "h1", "h2", "p"),
        *("ul", "ol", "li", "form", "button", "a", "span", "br", "dl", "dt", "dd", "strong", "footer"),
    }
    assert {tag for tag, _ in seen.tags} <= ours
    for tag, attributes in seen.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        if tag == "a":
            assert (attributes["href"] or "").startswith("https://")
        if tag == "form":
            assert (attributes["action"] or "").startswith(PATH)


class TestEveryPage:
    @pytest.mark.parametrize(("reason", "action", "refused"), EVERY_REASON)
    @pytest.mark.parametrize("band", EVERY_BAND)
    def test_it_stands_alone_and_forbids_everything_else(self, band: str, reason, action, refused) -> None:
        """No script, nothing loaded from anywhere, no framing, no referrer, never kept."""
        made = page(verdict(action, reason), band, refused=refused)
        seen = read(made)
        assert not seen.all("script")
        assert not seen.all("img")
        assert [link["href"] for link in seen.all("link")] == ["data:,"]
        assert "url(" not in STYLE
        assert "@import" not in STYLE
        policy = header(made, "content-security-policy") or ""
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert header(made, "cache-control") == "no-store"
        assert header(made, "referrer-policy") == "no-referrer"
        assert header(made, "x-content-type-options") == "nosniff"
        assert header(made, "x-frame-options") == "DENY"

    @pytest.mark.parametrize(("reason", "action", "refused"), EVERY_REASON)
    @pytest.mark.parametrize("band", EVERY_BAND)
    def test_it_is_well_made_for_a_screen_reader(self, band: str, reason, action, refused) -> None:
        """WCAG 2.2: language, title, one first heading, no skipped level, landmarks, zoom allowed, every tag closed."""
        made = page(verdict(action, reason), band, refused=refused)
        seen = read(made)
        assert seen.all("html")[0]["lang"] == "en-GB"
        assert len(seen.all("title")) == len(seen.all("h1")) == len(seen.all("main")) == 1
        levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
        viewport = next(meta["content"] or "" for meta in seen.all("meta") if meta.get("name") == "viewport")
        assert "maximum-scale" not in viewport
        assert "user-scalable" not in viewport
        assert_balanced(made.body.decode())

    def test_a_style_with_a_changed_letter_would_not_be_used(self) -> None:
        """The hash in the policy is that of the style in the page."""
        made = page(verdict(), "ks4")
        style = re.search(r"<style>(.*)</style>", made.body.decode(), re.S)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in (header(made, "content-security-policy") or "")

    @pytest.mark.parametrize("kind", list(PageKind))
    def test_head_gets_the_same_headers_and_no_body(self, kind: PageKind) -> None:
        get, head = page(verdict(), "ks4", kind), page(verdict(), "ks4", kind, method="HEAD")
        assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


def assert_balanced(text: str) -> None:
    empty = {"meta", "link", "br"}
    open_tags: list[str] = []
    for closing, tag, own in re.findall(
        r"<(/?)([a-z0-9]+)[^>]*?(/?)>", re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    ):
        if closing:
            assert open_tags.pop() == tag
        elif tag not in empty and not own:
            open_tags.append(tag)
    assert not open_tags


class TestStatus:
    @pytest.mark.parametrize(
        ("reason", "refused", "scheme", "stage", "status"),
        [
            (Reason.RULE, None, "https", Stage.REQUEST, 403),
            (Reason.STATUTORY, None, "https", Stage.REQUEST, 403),
            (Reason.GUARD, None, "http", Stage.REQUEST, 403),
            (Reason.IDENTITY, "sign-in", "http", Stage.REQUEST, 407),
            (Reason.IDENTITY, "sign-in", "https", Stage.CONNECT, 407),
            (Reason.IDENTITY, "sign-in", "https", Stage.REQUEST, 403),
            (Reason.IDENTITY, "disabled", "http", Stage.REQUEST, 403),
            (Reason.IDENTITY, "consent", "http", Stage.REQUEST, 403),
            (Reason.CERTIFICATE, None, "https", Stage.REQUEST, 502),
            (Reason.UPSTREAM, None, "https", Stage.REQUEST, 502),
            (Reason.RECORD, None, "https", Stage.REQUEST, 503),
            (Reason.FAILURE, None, "https", Stage.REQUEST, 503),
        ],
    )
    def test_the_status_says_whose_turn_it_is(self, reason, refused, scheme, stage, status) -> None:
        url = Url(scheme, "www.games.example", 443 if scheme == "https" else 80)
        made = page(verdict(reason=reason, stage=stage), "ks4", url=url, refused=refused)
        assert made.status == status
        assert (header(made, "proxy-authenticate") is not None) == (status == 407)

    def test_the_sign_in_box_shows_a_plain_realm(self) -> None:
        around = Surroundings(realm='Oak"wood\\\r\nX: y')
        url = Url("http", "www.games.example", 80)
        made = render(
            verdict(reason=Reason.IDENTITY), person("ks4"), url, PageKind.HTML, at=NOW, around=around, refused="sign-in"
        )
        assert header(made, "proxy-authenticate") == 'Basic realm="OakwoodX: y", charset="UTF-8"'


def test_the_words_are_escaped_once_and_not_twice() -> None:
    """An apostrophe in our words is an apostrophe on screen."""
    body = page(verdict(), "ks1").body.decode()
    assert "Let’s stop here" in html.unescape(body)
    assert "&amp;" not in body


class TestOtherForms:
    def test_a_program_gets_an_error_object(self) -> None:
        made = page(verdict(), "ks4", PageKind.JSON)
        error = json.loads(made.body)["error"]
        assert header(made, "content-type") == "application/json"
        assert (error["blocked"], error["action"], error["reason"]) == (True, "block", "rule")
        assert (error["category"], error["reference"]) == ("games", str(REFERENCE))
        assert "rule" not in error

    def test_staff_read_in_json_what_stands_on_the_page(self) -> None:
        """Rule, list and entry, to act on; not who asks, because the website's own scripts can read both."""
        error = json.loads(page(verdict(), "staff", PageKind.JSON).body)["error"]
        shown = html.unescape(page(verdict(), "staff").body.decode())
        assert (error["rule"], error["list"], error["line"]) == ("games-in-lessons", "starter/games", 412)
        assert all(str(error[name]) in shown for name in ("rule", "list", "line", "entry", "tier", "reference"))
        for secret in ("pupil-0417", "lab2-14", "10.4.2.17"):
            assert secret not in shown
            assert secret not in json.dumps(error)

    def test_a_picture_is_one_transparent_pixel(self) -> None:
        made = page(verdict(), "ks4", PageKind.IMAGE)
        assert (made.status, header(made, "content-type"), made.body[:6], len(made.body)) == (
            403,
            "image/gif",
            b"GIF89a",
            42,
        )

    def test_a_frame_has_nothing_to_click_and_may_be_framed(self) -> None:
        made = page(verdict(Action.WARN), "ks4", PageKind.FRAME)
        seen = read(made)
        assert not (seen.all("a") or seen.all("form") or seen.all("button"))
        assert header(made, "x-frame-options") is None
        assert "frame-ancestors" not in (header(made, "content-security-policy") or "")
