"""SafeSearch, forced and locked: what each engine is told, and that nothing a client sends can win.

Shows: `policy.safeplaces`
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.names import NameProblem, canonical_url
from policy.client import UNKNOWN, Band, Client
from policy.safeplaces import SAFE_ENGINES, STRICT_HOSTS
from policy.safesearch import Change, engine_names, holds_for, safe, strict_host
from tests.policy.school import HEAD, refusal, school_policy


def sent(text: str, cookie: str = "") -> Change:
    """What is sent instead; it must differ."""
    change = safe(canonical_url(text), cookie)
    assert change is not None, text
    return change


def query_of(text: str, cookie: str = "") -> str:
    """The query that is sent."""
    change = safe(canonical_url(text), cookie)
    return canonical_url(text).query if change is None or change.url is None else change.url.query


FORCED = [
    ("https://www.google.com/search?q=x", "q=x&safe=active"),
    ("https://www.google.com/search?q=x&udm=2", "q=x&udm=2&safe=active"),  # pictures
    ("https://www.google.com/search?q=x&udm=50", "q=x&udm=50&safe=active"),  # AI mode
    ("https://www.google.com/search?q=x&tbm=vid", "q=x&tbm=vid&safe=active"),
    ("https://www.google.com/search?q=x&tbm=shop", "q=x&tbm=shop&safe=active"),
    ("https://www.google.com/webhp?q=x", "q=x&safe=active"),
    ("https://www.google.com/ai?q=x", "q=x&safe=active"),
    ("https://www.google.com/imgres?q=x&imgurl=y", "q=x&imgurl=y&safe=active"),
    ("https://www.google.com/?q=x", "q=x&safe=active"),
    ("https://google.com/search?q=x", "q=x&safe=active"),
    ("https://images.google.de/images?q=x", "q=x&safe=active"),
    ("https://www.google.com/complete/search?q=x&client=c", "q=x&client=c&safe=active"),
    ("https://customsearch.googleapis.com/customsearch/v1?q=x&safe=off", "q=x&safe=active"),
    ("https://www.bing.com/search?q=x", "q=x&adlt=strict"),
    ("https://www.bing.com/images/search?q=x", "q=x&adlt=strict"),
    ("https://www.bing.com/videos/search?q=x", "q=x&adlt=strict"),
    ("https://www.bing.com/shop?q=x", "q=x&adlt=strict"),
    ("https://uk.bing.com/images/search?q=x&adlt=off", "q=x&adlt=strict"),
    ("https://www4.bing.com/search?q=x", "q=x&adlt=strict"),
    ("https://any.thing.bing.com/videos/search?q=x&ADLT=off", "q=x&adlt=strict"),
    ("https://api.bing.com/osjson.aspx?query=x", "query=x&adlt=strict"),
    ("https://www.google.com/searchbyimage?image_url=x&safe=off", "image_url=x&safe=active"),
    ("https://images.google.co.uk/searchbyimage/upload?q=x", "q=x&safe=active"),
    ("https://search.google.com/search?q=x&safe=off", "q=x&safe=active"),
    ("https://www.bing.com/copilotsearch?q=x", "q=x&adlt=strict"),
    ("https://api.bing.microsoft.com/v7.0/search?q=x&safesearch=off", "q=x&safeSearch=Strict"),
    ("https://duckduckgo.com/?q=x&kp=-2", "q=x&kp=1"),
    ("https://duckduckgo.com/?q=x&ia=images&iax=images", "q=x&ia=images&iax=images&kp=1"),
    ("https://duckduckgo.com/i.js?q=x&p=-1", "q=x&p=1&kp=1"),
    ("https://links.duckduckgo.com/d.js?q=x&p=-2&kp=-2", "q=x&p=1&kp=1"),
    ("https://duckduckgo.com/;x?q=x", "q=x&kp=1"),
    ("https://search.yahoo.com/search?p=x", "p=x&vm=r"),
    ("https://search.yahoo.com/search;_ylt=AwrE1;_ylu=X3?p=x&vm=p", "p=x&vm=r"),
    ("https://www.google.com/search%2F?q=x&safe=off", "q=x&safe=active"),
    ("https://www.bing.com/images%20?q=x", "q=x&adlt=strict"),
    ("https://uk.images.search.yahoo.com/search/images?p=x&vm=p", "p=x&vm=r"),
    ("https://search.yahoo.co.jp/search?p=x", "p=x&vm=r"),
    ("https://search.brave.com/images?q=x", "q=x&safesearch=strict"),
    ("https://api.search.brave.com/res/v1/web/search?q=x", "q=x&safesearch=strict"),
    ("https://www.qwant.com/?q=x&t=images", "q=x&t=images&s=2&safesearch=2"),
    ("https://api.qwant.com/v3/search/web?q=x&safesearch=0", "q=x&s=2&safesearch=2"),
    ("https://yandex.ru/images/search?text=x", "text=x&fyandex=1&family=yes"),
    ("https://www.startpage.com/sp/search?query=x&prfe=abc", "query=x"),
    ("https://pixabay.com/api/?q=x&safesearch=false", "q=x&safesearch=true"),
    ("https://www.mojeek.com/search?q=x&safe=0", "q=x&safe=1"),
    ("https://api.giphy.com/v1/gifs/search?q=x&rating=r", "q=x&rating=g"),
    ("https://tenor.googleapis.com/v2/search?q=x&contentfilter=off", "q=x&contentfilter=high"),
    ("https://www.flickr.com/search/?text=x&safe_search=3", "text=x&safe_search=1"),
    ("https://unsplash.com/napi/search/photos?query=x", "query=x&content_filter=high"),
    ("https://api.dailymotion.com/videos?search=x&family_filter=false", "search=x&family_filter=true"),
]


@pytest.mark.parametrize(("asked", "query"), FORCED)
def test_the_engine_is_told_in_the_address(asked: str, query: str) -> None:
    """D-24, F-39: image, video, shopping and AI entry points as well; twice does no more than once."""
    change = sent(asked)
    assert change.url is not None
    assert change.url.query == query
    again = safe(change.url, change.cookie or "")
    assert again is None or again.url is None


COOKIES = [
    ("https://www.bing.com/search?q=x", "", "SRCHHPGUSR=ADLT=STRICT"),
    ("https://www.bing.com/", "SRCHHPGUSR=ADLT=OFF&NRSLT=50", "SRCHHPGUSR=NRSLT=50&ADLT=STRICT"),
    ("https://www.bing.com/", "a=1; srchhpgusr=adlt=off; SRCHHPGUSR=ADLT=OFF; b=2", "a=1; b=2; SRCHHPGUSR=ADLT=STRICT"),
    ("https://www.bing.com/", 'SRCHHPGUSR="ADLT=OFF"', "SRCHHPGUSR=ADLT=STRICT"),
    ("https://duckduckgo.com/?q=x", "p=-2; ae=d", "ae=d; p=1"),
    ("https://search.yahoo.com/search?p=x", "sB=v=1&vm=p&rw=new", "sB=v=1&rw=new&vm=r"),
    ("https://www.ecosia.org/search?q=x", "ECFG=a=0:f=n:l=en", "ECFG=a=0:l=en:f=y"),
    ("https://search.brave.com/search?q=x", "safesearch=off; theme=dark", "theme=dark; safesearch=strict"),
    ("https://pixabay.com/images/search/x/", "g_rated=off", "g_rated=1"),
    (
        "https://www.startpage.com/",
        "preferences=disable_family_filterEEE1N1NlanguageEEEenglish",
        "preferences=languageEEEenglishN1Ndisable_family_filterEEE0N1Ndisable_video_family_filterEEE0"
        "N1Nenable_post_methodEEE0",
    ),
    ("https://www.dailymotion.com/gb", "ff=off", "ff=on"),
]


@pytest.mark.parametrize(("asked", "cookie", "sent_cookie"), COOKIES)
def test_the_engine_is_told_in_its_own_cookie(asked: str, cookie: str, sent_cookie: str) -> None:
    """What else the cookies say stays; twice does no more than once."""
    assert sent(asked, cookie).cookie == sent_cookie
    again = safe(canonical_url(asked), sent_cookie)
    assert again is None or again.cookie is None


@pytest.mark.parametrize(
    "host",
    ["www.youtube.com", "m.youtube.com", "music.youtube.com", "youtubei.googleapis.com", "youtube.googleapis.com",
     "www.youtube-nocookie.com"],
)  # fmt: skip
def test_youtube_is_told_in_a_header(host: str) -> None:
    """Google's own header for schools, on every request."""
    change = sent(f"https://{host}/watch?v=x")
    assert (change.headers, change.url, change.engine) == ((("YouTube-Restrict", "Strict"),), None, "YouTube")


SPELLINGS = [
    "safe=off&q=a",
    "q=a&safe=off&safe=off&safe=active&safe=off",
    "q=a&SAFE=off",
    "q=a&Safe=Off",
    "q=a&%73afe=off",
    "q=a&%2573afe=off",
    "q=a&s%61f%65=off",
    "q=a&safe[]=off",
    "q=a&safe%5B0%5D=off",
    "q=a&safe%00=off",
    "q=a&+safe=off",
    "q=a&safe+=off",
    "q=a&safe",
    "q=a;safe=off",
    "safe=off;q=a",
    "q=a&x=1;safe=off",
    "&&q=a&&safe=off&",
]


@pytest.mark.parametrize("query", SPELLINGS)
def test_no_spelling_of_the_clients_own_setting_survives(query: str) -> None:
    """F-22: duplicates, case, encodings, brackets, blanks, semicolons. Ours is the only one, and the last."""
    new = query_of(f"https://www.google.com/search?{query}")
    assert new.endswith("safe=active")
    assert new.lower().replace("%73", "s").count("safe") == 1
    assert "off" not in new.lower()
    assert "q=a" in new


@given(st.lists(st.sampled_from(["safe", "SAFE", "%73afe", "safe[]", "q", "x", "unsafe", "safe.x"]), max_size=8))
def test_other_parameters_stay_as_they_are_and_in_order(names: list[str]) -> None:
    """Only the engine's own switch is touched."""
    query = "q=caf%C3%A9+x&" + "&".join(f"{name}={place}" for place, name in enumerate(names))
    new = query_of(f"https://www.google.com/search?{query}")
    others = [pair for pair in parse_qsl(query) if pair[0].lower().partition("[")[0] != "safe"]
    assert parse_qsl(new) == [*others, ("safe", "active")]
    assert new.startswith("q=caf%C3%A9+x")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("q=cats+%21safeoff", "cats"),
        ("q=%21safeoff+cats", "cats"),
        ("q=cats+!SafeOff+dogs", "cats+dogs"),
        ("q=%21%73afeoff+cats", "cats"),
        ("q=cats", "cats"),
        ("q=what+does+safeoff+mean", "what+does+safeoff+mean"),
    ],
)
def test_the_word_that_switches_it_off_is_taken_out_of_the_search(query: str, words: str) -> None:
    """DuckDuckGo takes `!safeoff` among the words."""
    assert query_of(f"https://duckduckgo.com/?{query}") == f"q={words}&kp=1"


@pytest.mark.parametrize(
    "url",
    [
        "https://www.google.com/",
        "https://mail.google.com/mail/u/0/?q=x",
        "https://docs.google.com/document/d/x?safe=off",
        "https://accounts.google.com/signin?continue=x",
        "https://www.google.com/maps/search/?q=x",
        "https://maps.google.com/?q=x",
        "https://www.google.com/url?q=https://www.example.org/",
        "https://www.google.com/recaptcha/api.js?render=x",
        "https://www.googleapis.com/calendar/v3/calendars?q=x",
        "https://google.example.org/search?q=x",
        "https://www.example.org/search?q=x&safe=off",
        "https://notbing.com/search?q=x",
        "https://search.google.com/search-console?resource_id=x",
        "https://93.184.216.34/search?q=x",
        "https://localhost/search?q=x",
        "https://brave.com/search?q=x",
        "https://www.google.com/search?q=x&safe=active",
    ],
)
def test_everything_else_is_sent_as_it_came(url: str) -> None:
    """Mail, maps, sign-in, other sites, and what is safe already."""
    assert safe(canonical_url(url)) is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.google.co.uk/", "forcesafesearch.google.com"),
        ("https://google.com/", "forcesafesearch.google.com"),
        ("https://www.bing.com/", "strict.bing.com"),
        ("https://duckduckgo.com/", "safe.duckduckgo.com"),
        ("https://www.ecosia.org/", "strict-safe-search.ecosia.org"),
        ("https://search.brave.com/", "forcesafe.search.brave.com"),
        ("https://pixabay.com/", "safesearch.pixabay.com"),
        ("https://yandex.kz/", "familysearch.yandex.ru"),
        ("https://www.youtube.com/", "restrict.youtube.com"),
        ("https://youtubei.googleapis.com/", "restrict.youtube.com"),
        ("https://mail.google.com/", None),
        ("https://accounts.youtube.com/", None),
        ("https://mail.yandex.ru/", None),
        ("https://www.example.org/", None),
        ("https://93.184.216.34/", None),
    ],
)
def test_a_tunnel_has_a_strict_host_to_go_to(url: str, host: str | None) -> None:
    """Only the search itself: mail and sign-in are not served there."""
    assert strict_host(canonical_url(url)) == host


def test_a_strict_host_is_its_own() -> None:
    """Following one leads no further."""
    assert all(strict_host(canonical_url(f"https://{host}/")) is None for host in STRICT_HOSTS)


@pytest.mark.realdata
def test_every_country_host_of_google_and_every_known_strict_host_is_covered(real_data: Path) -> None:
    """F-39: other countries' hosts are no way round; other people's tables are the check, never the source."""
    folder = real_data / "search"
    domains = [line.strip().lstrip(".") for line in (folder / "google-search-domains.txt").read_text().split()]
    hosts = [f"www.{domain.removeprefix('www.')}" for domain in domains if domain and not domain.startswith("#")]
    assert len(hosts) > 150
    missed = [host for host in hosts if query_of(f"https://{host}/search?q=x") != "q=x&safe=active"]
    assert missed == []
    for file in sorted((folder / "adguardhome-safesearch-dns").glob("*.txt")):
        for line in file.read_text().splitlines():
            name = line.removeprefix("|").partition("^")[0]
            if line.startswith("|") and name:
                assert strict_host(canonical_url(f"https://{name}/")), name


# -- for whom ---------------------------------------------------------------------------------------------------------

POLICY = """
schoolgate: 1
groups:
  technicians: {band: staff}
  year-10: {band: ks4}
safe_search: {off_for: [group:technicians]}
policies: []
"""
TECHNICIAN = Client(band=Band.STAFF, band_known=True, groups=frozenset({"technicians"}))


@pytest.mark.parametrize(
    ("client", "holds"),
    [
        (TECHNICIAN, False),
        (Client(groups=frozenset({"technicians"})), False),
        (Client(band=Band.STAFF, band_known=True), True),
        (Client(band=Band.KS4, band_known=True), True),
        (Client(band=Band.GUEST, band_known=True), True),
        (UNKNOWN, True),
        # A pupil whose account strayed into the group stays a pupil.
        (Client(band=Band.KS4, band_known=True, groups=frozenset({"technicians"})), True),
        (Client(groups=frozenset({"technicians", "year-10"})), True),
    ],
)
def test_it_is_locked_for_all_but_named_groups_of_staff(client: Client, holds: bool) -> None:
    """D-24: on by default and locked for pupils, guests and whoever is unknown."""
    assert holds_for(school_policy(POLICY), client) is holds


def test_without_the_key_it_holds_for_everybody() -> None:
    policy = school_policy(POLICY.replace("safe_search: {off_for: [group:technicians]}\n", ""))
    assert holds_for(policy, TECHNICIAN)
    assert policy.safe_search_off_for == frozenset()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{off_for: [group:year-4]}", "safe search is locked for 'year-4', which is no group of staff"),
        ("{off_for: [group:nobody]}", "unknown group 'nobody'"),
        ("{off_for: [staff]}", "unknown group 'staff'"),
        ("{of_for: [group:year-4]}", "unknown key in safe_search: 'of_for'"),
        ("off", "safe_search must be a mapping"),
    ],
)
def test_a_policy_cannot_relax_it_for_anybody_else(value: str, problem: str) -> None:
    """Refused with the line, like every mistake."""
    (found,) = refusal(HEAD.replace("policies:\n", f"safe_search: {value}\npolicies: []\n"))
    assert problem in found.what
    assert found.line == 6


def test_every_engine_says_who_it_is_and_does_something() -> None:
    assert len(set(engine_names())) == len(SAFE_ENGINES)
    assert all(engine.params or engine.settings or engine.headers for engine in SAFE_ENGINES)


@given(st.text(max_size=200), st.text(max_size=200), st.sampled_from(["www.google.com", "duckduckgo.com", "bing.com"]))
def test_any_request_can_be_made_safe(target: str, cookie: str, host: str) -> None:
    """Total, and what comes out is safe: asking again changes nothing."""
    try:
        url = canonical_url(f"https://{host}/{quote(target, safe='?&=;%/!')}")
    except NameProblem:
        return
    change = safe(url, cookie)
    if change is not None:
        again = safe(change.url or url, cookie if change.cookie is None else change.cookie)
        assert again is None or (again.url is None and again.cookie is None)
