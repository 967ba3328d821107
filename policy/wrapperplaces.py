"""Which services wrap addresses, and where in their own address the other one stands. Pure data.

By what each service's own address bar shows; no third-party list is copied. A key is a host, `*.` and its parent, a
registrable domain, or a brand under every country domain (`google.*`, `translate.google.*`). A service belongs here only
when it *always* means to show or open the address it is given: a parameter that sites of all kinds use for other things
would block sign-ins.
"""

# A row a line, whatever its length: this is a table, and tables are read by rows.
# ruff: noqa: E501

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One service, and where the address stands."""

    name: str
    """For people and reports."""
    keys: tuple[str, ...]
    """Where it is found."""
    params: frozenset[str] = frozenset()
    """Query parameters that hold an address, lower case."""
    paths: re.Pattern[str] | None = None
    """Paths on which they do; None is any."""
    inside: re.Pattern[str] | None = None
    """What comes before an address that stands in the path, query and all."""
    bare_query: bool = False
    """True when the whole query is the address: `?https://example.org`."""
    host_encoded: str = ""
    """What follows the host that is written into this one's first label: `.translate.goog`."""
    coding: str = ""
    """How it is written there; empty is as it is. `policy.wrappers` reads them."""
    copies: bool = True
    """True when it shows the other page itself; False when it sends the browser on, or shows a picture inside a page."""


def _in_query(name: str, keys: str, params: str, paths: str = "", *, coding: str = "", copies: bool = True) -> Wrapper:
    where = re.compile(paths, re.IGNORECASE) if paths else None
    return Wrapper(name, tuple(keys.split()), frozenset(params.split()), where, coding=coding, copies=copies)


def _in_path(name: str, keys: str, before: str, *, coding: str = "", copies: bool = True) -> Wrapper:
    return Wrapper(name, tuple(keys.split()), inside=re.compile(before, re.IGNORECASE), coding=coding, copies=copies)


_FULL = r"(?=https?:(?:/|%2F))"
_ANY = r"(?=https?:(?:/|%2F)|[\w-]+\.[\w.-]*[a-z])"
_DATED = rf"/(?:[\w.*-]+/)*?[0-9]{{4,14}}(?:[a-z]{{2}}_|\*|-[0-9-]*)?/{_ANY}"
"""A web archive: a moment, then the address."""
_ADDRESS = rf"/(?:[\w.-]+/)*?{_FULL}"
_ARCHIVE_TODAY = "archive.today archive.is archive.ph archive.li archive.fo archive.md archive.vn"

WRAPPERS: tuple[Wrapper, ...] = (
    # Translators that fetch the page.
    Wrapper("Google Translate", ("*.translate.goog",), host_encoded=".translate.goog"),
    _in_query("Google Translate page", "translate.google.* translate.google.com translate.googleusercontent.com", "u"),
    _in_query("Google language tools", "google.* www.google.*", "u", r"/translate(?:_[cpt])?(?:/|$)"),
    _in_query(
        "Bing Translator page",
        "translatetheweb.com *.translatetheweb.com microsofttranslator.com *.microsofttranslator.com *.translatoruser.net",
        "a ref r",
    ),
    _in_query("Yandex Translate page", "translate.yandex.* *.translate.yandex.net", "url"),
    _in_query("Baidu Translate page", "fanyi.baidu.com translate.baiducontent.com", "query", r"/transpage"),
    _in_query("WorldLingo page", "worldlingo.com *.worldlingo.com", "wl_url url u"),
    _in_query("FreeTranslation page", "freetranslation.com *.freetranslation.com", "url"),
    _in_query("Papago page", "papago.naver.net papago.naver.com", "url", r"/website"),
    _in_query("PROMT page", "translate.ru online-translator.com *.online-translator.com", "url", r"/(?:site|url)"),
    _in_query("DeepL page", "deepl.com www.deepl.com", "url u", r"/(?:[a-z-]+/)?(?:translator/)?(?:website|web|page)"),
    # Caches and reading aids.
    _in_query("Google cache", "webcache.googleusercontent.com google.* www.google.*", "q", r"/search", coding="cache"),
    _in_query("Google Web Light", "googleweblight.com *.googleweblight.com", "lite_url u"),
    _in_query("Yandex cache", "hghltd.yandex.net yandexwebcache.net *.yandexwebcache.net", "url"),
    _in_query("Bing cache", "cc.bingj.com", "u url"),
    _in_query("cached view", "cachedview.com cachedview.nl removepaywall.com www.removepaywall.com", "url q"),
    _in_query("text of a page", "textise.net www.textise.net", "strurl"),
    _in_path(
        "reader",
        "r.jina.ai s.jina.ai 12ft.io 1ft.io txtify.it outline.com removepaywall.com archive.ph",
        rf"/(?:proxy/)?{_ANY}",
    ),
    _in_query("reader", "12ft.io 1ft.io", "q"),
    _in_query("print view", "printfriendly.com www.printfriendly.com", "url"),
    _in_query("document viewer", "docs.google.com drive.google.com", "url", r"/(?:gview|viewer|viewerng)"),
    _in_query("Office viewer", "view.officeapps.live.com", "src"),
    _in_path("page screenshot", "image.thum.io s0.wp.com s.wordpress.com", rf"/(?:get|mshots/v1)/(?:[\w-]+/)*?{_FULL}"),
    _in_path("page screenshot", "v1.screenshot.11ty.dev", rf"/{_FULL}"),
    _in_path("rendered page", "render-tron.appspot.com", rf"/(?:render|screenshot)/{_FULL}"),
    _in_query("page screenshot", "api.screenshotmachine.com shot.screenshotapi.net api.apiflash.com", "url"),
    _in_query("page screenshot", "api.microlink.io pro.microlink.io microlink.io www.microlink.io", "url"),
    _in_query("page screenshot", "urlscan.io www.urlscan.io", "url", r"/liveshot"),
    _in_query("source of a page", "validator.w3.org html5.validator.nu validator.nu", "doc uri"),
    _in_query("Telegram instant view", "t.me telegram.me", "url", r"/iv/?$"),
    Wrapper("page preview", ("htmlpreview.github.io",), bare_query=True),
    # Web archives.
    _in_path(
        "web archive",
        "web.archive.org archive.org www.archive.org wayback.archive-it.org arquivo.pt webarchive.org.uk www.webarchive.org.uk webarchive.nationalarchives.gov.uk webarchive.loc.gov timetravel.mementoweb.org megalodon.jp www.megalodon.jp vefsafn.is",
        _DATED,
    ),
    _in_path(
        "web archive, latest or saved",
        "web.archive.org archive.org",
        rf"/(?:web|save|wayback)/(?:[0-9*]+/|_embed/)*{_ANY}",
    ),
    _in_path("archive.today", _ARCHIVE_TODAY, rf"/(?:newest|oldest|timegate|o/\w+|[0-9]{{4,14}})/{_ANY}"),
    _in_path("archive.today", _ARCHIVE_TODAY, rf"/{_FULL}"),
    _in_query("archive.today", _ARCHIVE_TODAY, "url"),
    _in_query("Megalodon", "megalodon.jp", "url"),
    _in_query("Ghostarchive", "ghostarchive.org", "term url", r"/(?:search|save)"),
    # AMP copies.
    _in_path("Google AMP", "google.* www.google.*", r"/amp/(?:s/)?(?=[\w-]+\.)"),
    _in_path("Bing AMP", "bing.com www.bing.com", r"/amp/(?:s/)?(?=[\w-]+\.)"),
    Wrapper(
        "AMP cache",
        ("*.cdn.ampproject.org", "*.bing-amp.com"),
        inside=re.compile(r"/(?:wp/)?[a-z]{1,3}/(?:s/)?(?=[\w-]+\.)"),
        host_encoded=".cdn.ampproject.org",
    ),
    _in_path("AMP cache", "cdn.ampproject.org", r"/(?:wp/)?[a-z]{1,3}/(?:s/)?(?=[\w-]+\.)"),
    # Fetchers for programmers, and a proxy hidden in gadgets.
    _in_query("gadget proxy", "*.googleusercontent.com *.blogspot.com", "url", r"/gadgets/proxy"),
    Wrapper(
        "cross-origin proxy", ("corsproxy.io", "proxy.corsfix.com", "cors.eu.org"), frozenset({"url"}), bare_query=True
    ),
    _in_query("cross-origin proxy", "api.allorigins.win allorigins.win api.codetabs.com", "url quest"),
    _in_path(
        "cross-origin proxy",
        "cors-anywhere.herokuapp.com corsproxy.io thingproxy.freeboard.io yacdn.org cors.eu.org crossorigin.me proxy.cors.sh",
        _ADDRESS,
    ),
    # Links: the browser is sent on, and asks again under the real name.
    _in_query("Google link", "google.* www.google.*", "q url", r"/url(?:/|$)", copies=False),
    _in_query("Google Lens", "lens.google.* lens.google.com", "url", r"/(?:uploadbyurl|search)", copies=False),
    _in_query(
        "Google search by picture",
        "google.* www.google.* images.google.*",
        "image_url",
        r"/searchbyimage",
        copies=False,
    ),
    _in_query("Google picture", "google.* www.google.* images.google.*", "imgurl imgrefurl", r"/imgres", copies=False),
    _in_query("YouTube link", "youtube.com www.youtube.com m.youtube.com", "q", r"/redirect", copies=False),
    _in_query(
        "Facebook link",
        "facebook.com www.facebook.com m.facebook.com l.facebook.com lm.facebook.com l.messenger.com",
        "u",
        r"/(?:l\.php|flx/warn)",
        copies=False,
    ),
    _in_query("Instagram link", "l.instagram.com l.threads.net l.threads.com l.wl.co", "u", copies=False),
    _in_query("Bing link", "bing.com www.bing.com", "u", r"/ck/a", coding="base64", copies=False),
    _in_query("Bing link, older", "bing.com www.bing.com", "url", r"/(?:alink|cr|newtabredir)", copies=False),
    _in_query("DuckDuckGo link", "duckduckgo.com *.duckduckgo.com", "uddg", copies=False),
    _in_path(
        "Yahoo link",
        "r.search.yahoo.com search.yahoo.com *.search.yahoo.com",
        r"/(?:.*/)?RU=",
        coding="yahoo",
        copies=False,
    ),
    _in_query(
        "Outlook safe link",
        "*.safelinks.protection.outlook.com safelinks.protection.outlook.com statics.teams.cdn.office.net",
        "url",
        copies=False,
    ),
    _in_query("Proofpoint link", "urldefense.proofpoint.com", "u", r"/v[12]/url", coding="proofpoint", copies=False),
    _in_path("Proofpoint link", "urldefense.com urldefense.us", r"/v3/", coding="underscores", copies=False),
    _in_query("Barracuda link", "linkprotect.cudasvc.com", "a", copies=False),
    _in_query("Steam link", "steamcommunity.com store.steampowered.com", "url u", r"/linkfilter", copies=False),
    _in_query("Reddit link", "out.reddit.com", "url", copies=False),
    _in_query("VK link", "vk.com m.vk.com", "to", r"/away(?:\.php)?$", copies=False),
    _in_query("Tumblr link", "t.umblr.com href.li", "z", copies=False),
    _in_query("LinkedIn link", "linkedin.com www.linkedin.com", "url", r"/(?:redir/redirect|safety/go)", copies=False),
    _in_query("Slack link", "slack-redir.net", "url", copies=False),
    _in_query("Pinterest link", "pinterest.* www.pinterest.*", "url", r"/offsite", copies=False),
    _in_query("Medium link", "medium.com", "url", r"/r/?$", copies=False),
    _in_query("Disqus link", "disq.us", "url", copies=False),
    _in_query("SoundCloud link", "exit.sc gate.sc", "url", copies=False),
    Wrapper(
        "link without referrer",
        (
            "href.li",
            "anonym.to",
            "www.anonym.to",
            "anon.to",
            "www.anon.to",
            "anonymz.com",
            "nullrefer.com",
            "dereferer.org",
            "blankrefer.com",
            "hidereferrer.com",
        ),
        bare_query=True,
        copies=False,
    ),
    # Pictures: copies that pages of all kinds embed.
    _in_query("DuckDuckGo picture", "external-content.duckduckgo.com proxy.duckduckgo.com", "u", copies=False),
    _in_query("picture proxy", "images.weserv.nl wsrv.nl", "url", copies=False),
    _in_path("WordPress picture", "i0.wp.com i1.wp.com i2.wp.com i3.wp.com", r"/(?=[\w-]+\.)", copies=False),
    _in_path("GitHub picture", "camo.githubusercontent.com", r"/[0-9a-f]{40,64}/", coding="hex", copies=False),
    _in_path(
        "Discord picture",
        "images-ext-1.discordapp.net images-ext-2.discordapp.net",
        r"/external/[\w-]+/(?:[^/]*/)??(?=https?/)",
        coding="scheme-segment",
        copies=False,
    ),
    _in_path("Brave picture", "imgs.search.brave.com", r"/(?:[^/]+/)*?(?=aHR0c)", coding="base64", copies=False),
    _in_query("Startpage picture", "startpage.com www.startpage.com", "piurl", r"/av/proxy-image", copies=False),
)
"""Every wrapper we know. Several rows may share a key; each is asked."""
