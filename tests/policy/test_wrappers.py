"""Addresses inside addresses: what a translator, an archive or a link hides is found; what is only mentioned is not.

Shows: `policy.wrapperplaces`
"""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categories.names import NameProblem, Url, canonical_url
from policy.model import Action, Reason, Request, Signal, Stage
from policy.wrapperplaces import WRAPPERS
from policy.wrappers import DEEPEST, MOST, inner_urls, wrapped
from tests.policy.school import ENGINE, LESSON, PEOPLE, SCHOOL, school_engine

SITE = "https://www.porn.example.org/page"
PACKED = base64.urlsafe_b64encode(SITE.encode()).decode().rstrip("=")


def inner(text: str) -> list[str]:
    """What is wrapped, as texts."""
    return [str(url) for url in inner_urls(canonical_url(text))]


COPIES = {
    "Google Translate, by host": "https://www-porn-example-org.translate.goog/page",
    "Google Translate, by page": f"https://translate.google.com/translate?sl=auto&tl=en&u={SITE}",
    "Google Translate, any country": f"https://translate.google.co.uk/website?u={quote(SITE, safe='')}",
    "Google Translate, encoded twice": f"https://translate.google.de/translate?u={quote(quote(SITE), safe='')}",
    "Google Translate, odd spelling": f"https://translate.google.com/translate?U={SITE}",
    "Google Translate, encoded name": f"https://translate.google.com/translate?%75={SITE}",
    "Bing Translator": f"https://www.translatetheweb.com/?from=&to=en&a={SITE}",
    "Yandex Translate": f"https://translate.yandex.com/translate?url={SITE}&lang=en",
    "Baidu Translate": f"https://fanyi.baidu.com/transpage?query={SITE}",
    "Baidu Translate, the page": f"https://translate.baiducontent.com/transpage?query={quote(SITE, safe='')}",
    "WorldLingo": f"https://www.worldlingo.com/S221/translation?wl_srclang=EN&wl_trglang=FR&wl_url={SITE}",
    "Papago": f"https://papago.naver.net/website?locale=en&url={SITE}",
    "the Wayback Machine": f"https://web.archive.org/web/20200101000000/{SITE}",
    "the Wayback Machine, raw": f"https://web.archive.org/web/20200101000000id_/{SITE}",
    "the Wayback Machine, any moment": f"https://web.archive.org/web/2020*/{SITE}",
    "the Wayback Machine, latest": f"https://web.archive.org/web/{SITE}",
    "the Wayback Machine, encoded": f"https://web.archive.org/web/2020/{quote(SITE, safe='')}",
    "a page being archived": f"https://web.archive.org/save/{SITE}",
    "archive.today": f"https://archive.ph/20200101000000/{SITE}",
    "archive.today, newest": f"https://archive.is/newest/{SITE}",
    "archive.today, by name": f"https://archive.today/{SITE}",
    "archive.today, by parameter": f"https://archive.vn/?run=1&url={SITE}",
    "the national archive": f"https://webarchive.nationalarchives.gov.uk/ukgwa/20200101000000/{SITE}",
    "Google's cache": "https://webcache.googleusercontent.com/search?q=cache:Ab3:https://www.porn.example.org/page+words",
    "Google AMP": "https://www.google.com/amp/s/www.porn.example.org/page",
    "an AMP copy": "https://www-porn-example-org.cdn.ampproject.org/c/s/www.porn.example.org/page",
    "an AMP copy by its old name": "https://cdn.ampproject.org/v/s/www.porn.example.org/page",
    "Web Light": f"https://googleweblight.com/?lite_url={SITE}",
    "a reader": f"https://r.jina.ai/{SITE}",
    "a paywall ladder": f"https://12ft.io/{SITE}",
    "a cross-origin proxy": f"https://corsproxy.io/?{quote(SITE, safe='')}",
    "a cross-origin proxy, by path": f"https://cors-anywhere.herokuapp.com/{SITE}",
    "a gadget proxy": f"https://x-opensocial.googleusercontent.com/gadgets/proxy?container=x&url={SITE}",
    "a picture of a page": f"https://api.microlink.io/?url={quote(SITE, safe='')}&screenshot=true&embed=screenshot.url",
    "a live picture of a page": f"https://urlscan.io/liveshot/?width=1024&height=768&url={SITE}",
    "a picture of a page, by path": f"https://v1.screenshot.11ty.dev/{quote(SITE, safe='')}",
    "a page that is rendered": f"https://render-tron.appspot.com/render/{SITE}",
    "a validator, with its source": f"https://validator.w3.org/nu/?showsource=yes&doc={quote(SITE, safe='')}",
    "a validator, older": f"https://validator.w3.org/check?uri={SITE}&ss=1",
    "an instant view": f"https://t.me/iv?url={quote(SITE, safe='')}&rhash=0",
    "Megalodon": "https://megalodon.jp/2020-0101-0101-01/www.porn.example.org/page",
    "Megalodon, whole address": "https://megalodon.jp/2020-0101-0101-01/https://www.porn.example.org:443/page",
    "Megalodon, by parameter": f"https://megalodon.jp/?url={SITE}",
    "Ghostarchive": f"https://ghostarchive.org/search?term={quote(SITE, safe='')}",
    "a document viewer": f"https://docs.google.com/gview?embedded=true&url={SITE}",
}
LINKS = {
    "a Google result": f"https://www.google.com/url?sa=t&q={quote(SITE, safe='')}&usg=x",
    "a Google picture": f"https://www.google.co.uk/imgres?imgurl={SITE}&tbnid=1",
    "a picture in Google Lens": f"https://lens.google.com/uploadbyurl?url={quote(SITE, safe='')}&hl=en",
    "a search by picture": f"https://www.google.com/searchbyimage?sbisrc=x&image_url={quote(SITE, safe='')}",
    "a link that hides where it was": f"https://anon.to/?{SITE}",
    "a YouTube description": f"https://www.youtube.com/redirect?event=x&q={quote(SITE, safe='')}",
    "a Facebook post": f"https://l.facebook.com/l.php?u={quote(SITE, safe='')}&h=x",
    "an Instagram profile": f"https://l.instagram.com/?u={SITE}&e=x",
    "a Bing result": f"https://www.bing.com/ck/a?!&&p=1&u=a1{PACKED}&ntb=1",
    "a DuckDuckGo result": f"https://duckduckgo.com/l/?uddg={quote(SITE, safe='')}&rut=x",
    "a Yahoo result": f"https://r.search.yahoo.com/_ylt=A;_ylu=B/RV=2/RE=1/RO=10/RU={quote(SITE, safe='')}/RK=2/RS=x-",
    "an Outlook mail": f"https://eur01.safelinks.protection.outlook.com/?url={quote(SITE, safe='')}&data=x",
    "a Proofpoint mail": "https://urldefense.proofpoint.com/v2/url?u=https-3A__www.porn.example.org_page&d=x",
    "a Proofpoint mail, version 3": f"https://urldefense.com/v3/__{SITE}__;!!x",
    "a Steam profile": f"https://steamcommunity.com/linkfilter/?u={SITE}",
    "a link without referrer": f"https://href.li/?{SITE}",
    "a picture of DuckDuckGo": f"https://external-content.duckduckgo.com/iu/?u={quote(SITE, safe='')}",
    "a picture proxy": "https://images.weserv.nl/?url=www.porn.example.org/page",
    "a WordPress picture": "https://i0.wp.com/www.porn.example.org/page",
    "a GitHub picture": f"https://camo.githubusercontent.com/{'a' * 40}/{SITE.encode().hex()}",
    "a Brave picture": f"https://imgs.search.brave.com/sig/rs:fit:500/g:ce/{PACKED[:20]}/{PACKED[20:]}",
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_gives_away_the_page_it_shows(name: str) -> None:
    """F-22: the wrapper shows another site's page under its own name."""
    found = wrapped(canonical_url(COPIES[name]))
    assert any(one.copied and one.url.host == "www.porn.example.org" for one in found), found
    assert any(one.url.path == "/page" for one in found)


@pytest.mark.parametrize("name", LINKS)
def test_a_link_gives_away_where_it_leads_and_is_no_copy(name: str) -> None:
    """The browser will ask again under the real name; nobody who clicks a result attempts anything."""
    (found,) = wrapped(canonical_url(LINKS[name]))
    assert (found.url.host, found.url.path, found.copied) == ("www.porn.example.org", "/page", False)


MENTIONED = quote(SITE, safe="")
NEAR_MISSES = [
    # Sign-ins of well-known identity providers, each with the address it goes back to.
    f"https://accounts.google.com/o/oauth2/v2/auth?redirect_uri={MENTIONED}&client_id=x",
    f"https://accounts.google.com/ServiceLogin?continue={MENTIONED}",
    f"https://login.microsoftonline.com/common/oauth2/v2.0/authorize?redirect_uri={MENTIONED}",
    f"https://login.live.com/login.srf?wreply={MENTIONED}",
    f"https://appleid.apple.com/auth/authorize?redirect_uri={MENTIONED}",
    f"https://www.facebook.com/v19.0/dialog/oauth?redirect_uri={MENTIONED}",
    f"https://github.com/login/oauth/authorize?redirect_uri={MENTIONED}",
    f"https://school.okta.com/oauth2/v1/authorize?redirect_uri={MENTIONED}",
    f"https://school.auth0.com/authorize?redirect_uri={MENTIONED}",
    f"https://school.onelogin.com/oidc/2/auth?redirect_uri={MENTIONED}",
    f"https://idp.school.example/idp/profile/SAML2/Redirect/SSO?target={MENTIONED}",
    f"https://clever.com/oauth/authorize?redirect_uri={MENTIONED}",
    f"https://accounts.wonde.com/oauth/authorize?redirect_uri={MENTIONED}",
    f"https://login.rmunify.com/?wreply={MENTIONED}",
    f"https://sso.hwb.gov.wales/adfs/ls/?wctx={MENTIONED}",
    f"https://login.openathens.net/auth?returnUrl={MENTIONED}",
    f"https://auth.canva.com/login?redirect={MENTIONED}",
    f"https://slack.com/signin?redir={MENTIONED}",
    f"https://zoom.us/signin?backurl={MENTIONED}",
    f"https://school.instructure.com/login?url={MENTIONED}",
    f"https://www.linkedin.com/oauth/v2/authorization?redirect_uri={MENTIONED}",
    f"https://api.twitter.com/oauth/authorize?u={MENTIONED}",
    # Share buttons.
    f"https://www.facebook.com/sharer/sharer.php?u={MENTIONED}",
    f"https://twitter.com/intent/tweet?url={MENTIONED}",
    f"https://www.pinterest.com/pin/create/button/?url={MENTIONED}",
    f"https://www.linkedin.com/sharing/share-offsite/?url={MENTIONED}",
    f"https://www.reddit.com/submit?url={MENTIONED}",
    f"https://wa.me/?text={MENTIONED}",
    # Maps, searches, embeds, tools that only speak of an address.
    f"https://www.google.com/maps/search/?api=1&query={MENTIONED}",
    f"https://www.google.com/search?q={MENTIONED}",
    "https://www.google.com/search?q=cache+sizes+explained",
    f"https://www.bing.com/search?q={MENTIONED}",
    f"https://translate.google.com/?sl=en&tl=fr&text={MENTIONED}",
    "https://translate.google.com/translate_a/element.js?cb=googleTranslateElementInit",
    f"https://www.youtube.com/oembed?url={MENTIONED}",
    f"https://t.me/share/url?url={MENTIONED}",
    f"https://urlscan.io/search?url={MENTIONED}",
    f"https://www.google.com/search?q={MENTIONED}&image_url={MENTIONED}",
    "https://archive.org/details/some-book",
    "https://archive.org/download/some-book/page.2020.pdf",
    "https://cdn.ampproject.org/rtv/011901312147090/amp4ads-v0.js",
    "https://cdn.ampproject.org/v0.js",
    "https://news.example.org/amp/2020/story",
    f"https://www.example.org/page?url={MENTIONED}&u={MENTIONED}&q={MENTIONED}",
    f"https://www.example.org/?{SITE}",
    f"https://www.example.org/web/2020/{SITE}",
    f"https://docs.google.com/forms/d/x/viewform?url={MENTIONED}",
    "https://www.deepl.com/translator#en/fr/hello",
]


@pytest.mark.parametrize("url", NEAR_MISSES)
def test_what_only_mentions_an_address_wraps_nothing(url: str) -> None:
    """F-13: sign-ins, share buttons, maps and searches are not blocked for what they mention."""
    assert inner(url) == []


def test_wrappers_inside_each_other_are_taken_off_one_by_one() -> None:
    """Translate of an archive of a link: each is decided."""
    link = f"https://www.google.com/url?q={SITE}"
    found = wrapped(canonical_url(f"https://translate.google.com/translate?u=https://web.archive.org/web/2020/{link}"))
    assert [(one.url.host, one.copied) for one in found] == [
        ("web.archive.org", True),
        ("www.google.com", True),
        ("www.porn.example.org", False),
    ]


@pytest.mark.parametrize("times", [1, DEEPEST, DEEPEST + 1, 60])
def test_nesting_has_an_end_and_going_past_it_is_told(times: int) -> None:
    """Nobody needs two; whoever nests deeper is hiding something."""
    found = wrapped(canonical_url("https://archive.is/newest/" * times + SITE))
    assert len(found) <= MOST
    assert any(one.deeper for one in found) is (times > DEEPEST)


def test_many_addresses_at_once_have_an_end_too() -> None:
    many = "&".join(f"u=https://site{n}.example.org/" for n in range(500))
    assert len(wrapped(canonical_url(f"https://translate.google.com/translate?{many}"))) <= MOST


def test_an_address_that_wraps_itself_is_told_once() -> None:
    assert inner("https://web.archive.org/web/2020/https://web.archive.org/web/2020/") != []
    assert inner("https://href.li/?https://href.li/") == ["https://href.li/"]


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("www-bbc-co-uk.translate.goog", "www.bbc.co.uk"),
        ("co--op-example-org.translate.goog", "co-op.example.org"),
        ("xn----8sbc-example-org.translate.goog", None),
        ("translate.goog", None),
        ("a.b.translate.goog", None),
    ],
)
def test_a_host_written_into_a_label_is_read_back(host: str, plain: str | None) -> None:
    """Dots became hyphens, and hyphens were doubled; it is known at CONNECT already."""
    found = [url.host for url in inner_urls(canonical_url(f"https://{host}/"))]
    assert found == [plain] if plain else all("." in name for name in found)


# -- decided ----------------------------------------------------------------------------------------------------------

WRAPPED_PORN = "https://web.archive.org/web/2020/https://porn.example/x"


def decided(url: str, who: str = "Year 8", stage: Stage = Stage.REQUEST):
    """What our school says."""
    return ENGINE.decide(Request(canonical_url(url), stage), PEOPLE[who], LESSON)


def test_the_stricter_verdict_wins_and_a_copy_is_an_attempt() -> None:
    """F-21, F-23: recorded as circumvention, with the entry that closed the page inside."""
    verdict = decided(WRAPPED_PORN)
    assert (verdict.action, verdict.reason, verdict.rule) == (Action.BLOCK, Reason.CIRCUMVENTION, "no-pornography")
    assert verdict.match is not None
    assert verdict.match.entry == "porn.example"


def test_a_link_to_a_closed_page_is_blocked_for_what_it_is() -> None:
    """Whoever clicks a result has attempted nothing."""
    verdict = decided("https://www.google.com/url?q=https://porn.example/x")
    assert (verdict.action, verdict.reason, verdict.rule) == (Action.BLOCK, Reason.RULE, "no-pornography")


def test_a_copy_of_an_open_page_is_open() -> None:
    assert decided("https://web.archive.org/web/2020/https://plain.example/x").action is Action.ALLOW


def test_what_is_illegal_inside_a_wrapper_stays_statutory() -> None:
    """LOCKED is the stronger word of the two."""
    verdict = decided("https://web.archive.org/web/2020/https://illegal.example/", "a teacher")
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.STATUTORY)


def test_words_searched_for_inside_a_wrapper_are_checked_and_told() -> None:
    url = "https://web.archive.org/web/2020/https://www.google.com/search?q="
    assert decided(url + "sadness").rule == "self-harm"
    assert decided(url + "volcanoes").terms == ("volcanoes",)


def test_an_address_literal_inside_a_wrapper_is_an_address_literal() -> None:
    verdict = decided("https://translate.google.com/translate?u=http://93.184.216.34/x")
    assert (verdict.rule, verdict.reason) == ("ways-round", Reason.CIRCUMVENTION)
    assert verdict.match is not None
    assert verdict.match.entry == "ip-literal"


def test_nesting_past_the_end_is_blocked() -> None:
    verdict = decided("https://archive.is/newest/" * 9 + "https://plain.example/")
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.CIRCUMVENTION)


def test_a_copy_is_known_by_its_host_at_connect() -> None:
    """Nothing need be decrypted to see what a translated copy is of."""
    engine = school_engine(lists={"pornography": ["porn.example.org"]})
    asked = Request(canonical_url("https://porn-example-org.translate.goog/"), Stage.CONNECT, "CONNECT")
    assert engine.decide(asked, PEOPLE["Year 8"], LESSON).rule == "no-pornography"


def test_a_rule_may_ask_for_whatever_is_wrapped() -> None:
    text = SCHOOL.partition("policies:")[0] + (
        "policies: [{tier: trust, rules: [{rule: r, what: ['signal:wrapped-url'], action: block}]}]"
    )
    engine = school_engine(text)
    wrapping = engine.decide(Request(canonical_url(WRAPPED_PORN)), PEOPLE["Year 8"], LESSON)
    assert (wrapping.rule, wrapping.reason) == ("r", Reason.CIRCUMVENTION)
    assert engine.decide(Request(canonical_url("https://plain.example/")), PEOPLE["Year 8"], LESSON).rule != "r"


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("url", [*COPIES.values(), *LINKS.values(), WRAPPED_PORN])
def test_explain_says_the_same(who: str, url: str) -> None:
    """Design §5.5: what is wrapped is found in the engine, so there is nothing to disagree about."""
    asked = Request(canonical_url(url))
    assert ENGINE.explain(asked, PEOPLE[who], LESSON).verdict == ENGINE.decide(asked, PEOPLE[who], LESSON)


# -- whatever comes in ------------------------------------------------------------------------------------------------

hosts = st.sampled_from(
    sorted({key.replace("*.", "x.").replace(".*", ".co.uk") for wrapper in WRAPPERS for key in wrapper.keys})
)
targets = st.text(max_size=200) | st.lists(
    st.sampled_from(["/", "web/", "2020/", "https:/", "https%3A%2F%2F", "a.b", "?", "u=", "url=", "&", "%25", "aHR0c"])
).map("".join)


@settings(deadline=None, max_examples=400)
@given(hosts, targets)
def test_whatever_a_wrapper_is_asked_for_is_read_without_a_fault(host: str, target: str) -> None:
    """Total and bounded."""
    try:
        url = canonical_url(f"https://{host}/{target}")
    except NameProblem:
        return
    found = wrapped(url)
    assert len(found) <= MOST
    assert all(isinstance(one.url, Url) and one.url != url for one in found)


@settings(deadline=None, max_examples=200)
@given(st.from_regex(r"[a-z]{1,8}(-[a-z]{1,4})?\.(org|co\.uk|com)", fullmatch=True))
def test_any_host_survives_the_translator(host: str) -> None:
    label = host.replace("-", "--").replace(".", "-")
    assert [url.host for url in inner_urls(canonical_url(f"https://{label}.translate.goog/"))] in ([host], [])


@pytest.mark.realdata
def test_real_traffic_wraps_next_to_nothing(real_data: Path) -> None:
    """Of 105,676 real requests two are copies, and both say so by their host: nothing is found that is not there."""
    found: list[str] = []
    with gzip.open(real_data / "urls" / "requests-dev.tsv.gz", "rt", encoding="utf-8", errors="replace") as lines:
        next(lines)
        for line in lines:
            try:
                url = canonical_url(line.rstrip("\n").split("\t")[3])
            except NameProblem:
                continue
            if wrapped(url):
                found.append(url.host)
    assert len(found) == 2
    assert all(host.endswith(".translate.goog") for host in found)


def test_the_signal_is_not_asked_of_the_host() -> None:
    """Nobody can take it off by not sending it."""
    plain = ENGINE.decide(Request(canonical_url(WRAPPED_PORN)), PEOPLE["Year 8"], LESSON)
    told = Request(canonical_url(WRAPPED_PORN), signals=frozenset({Signal.WRAPPED_URL}))
    assert ENGINE.decide(told, PEOPLE["Year 8"], LESSON) == plain
