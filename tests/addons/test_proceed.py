"""Going on after a warning: for this person, this website, this rule, this long, and past nothing but a warning."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.proceed import (
    GRANT_LIFE,
    PATH,
    TOKEN_LIFE,
    Answer,
    Refusal,
    Scope,
    after_grant,
    check,
    check_token,
    make_token,
    offer,
    safe_back,
    scope_of,
)
from categories.names import Url
from policy.client import Client
from policy.model import Action, Reason, Tier, Verdict

NOW = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
SECRET = b"k" * 32
SITE = Url("https", "www.games.example", 443, "/play", "", "games.example")
PUPIL = Client(address="10.4.2.17", user="pupil-0417")
WARNED = Verdict(Action.WARN, Reason.RULE, "Think first.", tier=Tier.SITE, rule="think-before-games", category="games")
SCOPE = scope_of(WARNED, SITE)


def token(**other) -> str:
    told = {"secret": SECRET, "client": PUPIL, "scope": SCOPE, "until": NOW + TOKEN_LIFE} | other
    return make_token(told["secret"], told["client"], told["scope"], told["until"])


def forged(**facts) -> str:
    """A token whose payload was changed after it was signed."""
    payload, _, signature = token().partition(".")
    values = json.loads(base64.urlsafe_b64decode(payload + "=="))
    for place, value in facts.items():
        values[{"until": 1, "website": 2, "rule": 3, "client": 4}[place]] = value
    changed = base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).rstrip(b"=").decode()
    return f"{changed}.{signature}"


class TestToken:
    def test_it_says_what_may_be_granted(self) -> None:
        assert check_token(SECRET, token(), PUPIL, SITE, NOW) == Scope("games.example", "think-before-games")

    def test_it_holds_for_every_host_of_the_website(self) -> None:
        """Pages load their parts from sister hosts; the warning was about the website."""
        sister = Url("https", "img.games.example", 443, "/", "", "games.example")
        assert check_token(SECRET, token(), PUPIL, sister, NOW) == SCOPE

    def test_a_host_without_a_registrable_domain_stands_for_itself(self) -> None:
        server = Url("http", "10.1.1.9", 80, is_address=True)
        made = token(scope=scope_of(WARNED, server))
        assert check_token(SECRET, made, PUPIL, server, NOW) == Scope("10.1.1.9", "think-before-games")
        assert check_token(SECRET, made, PUPIL, Url("http", "10.1.1.8", 80), NOW) is Refusal.OTHER_SITE

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", Refusal.MALFORMED),
            (".", Refusal.MALFORMED),
            ("no-dot", Refusal.MALFORMED),
            ("é.ü", Refusal.MALFORMED),
            ("a" * 5000 + ".b", Refusal.MALFORMED),
            (token() + "=", Refusal.MALFORMED),
            (token() + "\n", Refusal.MALFORMED),
            (token().upper(), Refusal.FORGED),
            (token()[:-4] + "AAAA", Refusal.FORGED),
            (token(secret=b"x" * 32), Refusal.FORGED),
            (forged(until=4102444800), Refusal.FORGED),
            (forged(website="shop.example"), Refusal.FORGED),
            (forged(rule="another-rule"), Refusal.FORGED),
            (forged(client="00" * 32), Refusal.FORGED),
            (token(until=NOW), Refusal.EXPIRED),
            (token(until=NOW - timedelta(seconds=1)), Refusal.EXPIRED),
            (token(client=Client(address="10.4.2.17", user="pupil-0418")), Refusal.OTHER_CLIENT),
            (token(client=Client(address="10.4.2.17", user=None)), Refusal.OTHER_CLIENT),
            (token(client=Client(address="10.4.2.99", user="pupil-0417")), Refusal.OTHER_CLIENT),
            (token(scope=Scope("shop.example", "think-before-games")), Refusal.OTHER_SITE),
        ],
    )
    def test_everything_else_is_refused(self, text: str, why: Refusal) -> None:
        assert check_token(SECRET, text, PUPIL, SITE, NOW) is why

    def test_one_person_cannot_be_written_to_look_like_two(self) -> None:
        """Address and user are kept apart, whatever characters stand in them."""
        made = token(client=Client(address="10.4.2.17", user='a", "b'))
        assert check_token(SECRET, made, Client(address='10.4.2.17", "a', user="b"), SITE, NOW) is Refusal.OTHER_CLIENT

    def test_it_names_nobody(self) -> None:
        payload = base64.urlsafe_b64decode(token().partition(".")[0] + "==")
        assert b"pupil-0417" not in payload
        assert b"10.4.2.17" not in payload

    @given(st.text(max_size=200))
    def test_no_text_a_client_can_send_raises_or_is_believed(self, text: str) -> None:
        assert isinstance(check_token(SECRET, text, PUPIL, SITE, NOW), Refusal)

    @given(place=st.integers(0, 10_000), value=st.characters(codec="ascii"))
    def test_no_single_changed_letter_is_believed(self, place: int, value: str) -> None:
        good = token()
        place %= len(good)
        changed = good[:place] + value + good[place + 1 :]
        assert isinstance(check_token(SECRET, changed, PUPIL, SITE, NOW), Refusal) == (changed != good)

    def test_a_short_secret_is_a_bug_and_not_a_weak_signature(self) -> None:
        with pytest.raises(ValueError, match="needs 32"):
            make_token(b"short", PUPIL, SCOPE, NOW)


class TestButton:
    def pressed(self, action: str, method: str = "POST", **more) -> Answer:
        told = {"client": PUPIL, "url": SITE, "at": NOW, "fetch_site": "same-origin"} | more
        return check(SECRET, method=method, query=urlsplit(action).query, **told)

    def test_pressing_it_comes_back_to_where_the_pupil_was(self) -> None:
        made = offer(SECRET, WARNED, PUPIL, SITE, NOW, back="/play?level=3&name=a%26b")
        assert made is not None
        assert urlsplit(made.action).path == PATH
        assert made.minutes == GRANT_LIFE.total_seconds() // 60
        assert self.pressed(made.action) == Answer("/play?level=3&name=a%26b", scope=SCOPE)

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"method": "GET"}, Refusal.METHOD),
            ({"method": "HEAD"}, Refusal.METHOD),
            ({"fetch_site": "cross-site"}, Refusal.FOREIGN),
            ({"fetch_site": "same-site"}, Refusal.FOREIGN),
            ({"at": NOW + TOKEN_LIFE}, Refusal.EXPIRED),
            ({"client": Client(address="10.4.2.18", user="pupil-0417")}, Refusal.OTHER_CLIENT),
            ({"url": Url("https", "shop.example", 443, "/", "", "shop.example")}, Refusal.OTHER_SITE),
        ],
    )
    def test_a_link_another_site_or_another_person_presses_in_vain(self, change: dict, why: Refusal) -> None:
        made = offer(SECRET, WARNED, PUPIL, SITE, NOW, back="/play")
        assert made is not None
        assert self.pressed(made.action, **change) == Answer("/play", refused=why)

    def test_an_old_browser_without_fetch_metadata_can_press_it(self) -> None:
        made = offer(SECRET, WARNED, PUPIL, SITE, NOW)
        assert made is not None
        assert self.pressed(made.action, fetch_site=None).scope == SCOPE

    @pytest.mark.parametrize("query", ["", "token", "token=&back=", "back=//evil.example", "token=%ff%fe", "&" * 9000])
    def test_a_mangled_query_is_refused_and_goes_home(self, query: str) -> None:
        assert self.pressed(f"{PATH}?{query}") == Answer("/", refused=Refusal.MALFORMED)


class TestGoingBack:
    @pytest.mark.parametrize("path", ["/", "/play", "/play?a=1&b=%2F", "/~a/;x=1?y"])
    def test_a_path_on_the_same_origin_is_kept(self, path: str) -> None:
        assert safe_back(path) == path

    @pytest.mark.parametrize(
        "path",
        [
            *("", "play", "//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)"),
            *("/a\r\nSet-Cookie: x=1", "/a b", "/\x00", "/\t/evil.example", "/é", "/" + "a" * 3000, PATH, PATH + "?x"),
        ],
    )
    def test_anything_else_goes_to_the_front_page(self, path: str) -> None:
        assert safe_back(path) == "/"

    @given(st.text())
    def test_the_result_always_fits_a_location_header(self, path: str) -> None:
        back = safe_back(path)
        assert back.startswith("/")
        assert not back.startswith(("//", "/\\"))
        assert back.isascii()
        assert back.isprintable()


class TestEffect:
    @pytest.mark.parametrize("action", list(Action))
    @pytest.mark.parametrize("held", [True, False])
    def test_only_a_warning_becomes_an_allow(self, action: Action, held: bool) -> None:
        before = Verdict(action, Reason.RULE, "x", tier=Tier.SITE, rule="think-before-games")
        after = after_grant(before, held=held)
        expected = Action.ALLOW if held and action is Action.WARN else action
        assert after.action is expected
        assert (after.rule, after.reason, after.tier) == (before.rule, before.reason, before.tier)
