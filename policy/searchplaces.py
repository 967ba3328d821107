"""Where people search, as a table: which part of which address holds what they typed.

Pure data, by what each site's own address bar shows; no third-party list is copied. A key is a host (`www.` is ignored),
a registrable domain, or a bare brand (`google`) that stands for every country domain of that name. A false brand
(`google.example`) does no harm: search terms can only tighten a verdict.
"""

# A row a line, whatever its length: this is a table, and tables are read by rows.
# ruff: noqa: E501

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """One place to search."""

    name: str
    """For people and reports."""
    keys: tuple[str, ...]
    """Hosts, registrable domains or brands."""
    params: tuple[str, ...] = ("q",)
    """Query parameters that hold the words."""
    paths: tuple[str, ...] = ()
    """Paths, and everything below them, on which the parameters mean a search; empty means any."""
    inside: tuple[str, ...] = ()
    """Path prefixes after which the next segment is the words: `/search/` in `/search/kittens`."""
    bare: re.Pattern[str] | None = None
    """Paths that are the words themselves, `_` for a blank: `/kittens`."""
    charset: str = ""
    """Encoding this place used before UTF-8, tried when the bytes are not UTF-8."""


_GOOGLE_PATHS = (
    "/search", "/searchbyimage", "/images", "/imghp", "/maps", "/complete/search", "/webhp", "/custom", "/cse", "/scholar", "/books",
    "/store/search", "/videohp", "/shopping", "/finance", "/travel", "/m/search", "/ie", "/xhtml", "/advanced_search",
    "/drive/search", "/patents", "/trends/explore", "/blogsearch", "/alerts", "/s",
)  # fmt: skip

_DUCKDUCKGO_WORDS = re.compile(
    r"/(?!(?:html|lite|ac|about|settings|privacy|terms|app|apps|bangs?|params|newsletter|traffic|hiring|email|[a-z])/?$)([^/.]+)/?",
    re.IGNORECASE,
)
"""Whatever is no page of its own there is searched for."""

PLACES: tuple[Place, ...] = (
    Place("Google", ("google",), ("q", "as_q", "as_epq", "as_oq"), _GOOGLE_PATHS, ("/maps/search/", "/maps/place/")),
    Place("Google home page", ("google",), ("q", "as_q"), ("/",)),
    Place("Google Translate", ("translate.google.com", "translate.google"), ("text", "q")),
    Place("Google Programmable Search", ("cse.google.com", "syndicatedsearch.goog"), ("q", "as_q")),
    Place("Bing", ("bing",), ("q", "pq", "query"), ("/search", "/images", "/videos", "/news", "/shop", "/maps", "/chat",
          "/as/suggestions", "/osjson.aspx", "/copilotsearch", "/travel/search")),
    Place("DuckDuckGo", ("duckduckgo.com", "duck.com", "ddg.gg", "duck.ai"),
          ("q",), ("/", "/html", "/lite", "/ac", "/i.js", "/v.js", "/news.js", "/d.js")),
    Place("DuckDuckGo address words", ("duckduckgo.com",), (), (), ("/c/",), bare=_DUCKDUCKGO_WORDS),
    Place("Yahoo", ("yahoo",), ("p", "q", "va", "vp"), ("/search", "/yhs", "/gossip", "/sugg", "/image", "/video", "/news", "/shopping", "/question"),
          charset="euc-jp"),
    Place("Ecosia", ("ecosia.org",), ("q",), ("/search", "/images", "/videos", "/news", "/chat", "/shopping")),
    Place("Brave Search", ("search.brave.com",), ("q",)),
    Place("Qwant", ("qwant.com", "qwantjunior.com"), ("q", "query")),
    Place("Startpage", ("startpage.com", "ixquick.com"), ("query", "q")),
    Place("Yandex", ("yandex", "ya.ru"), ("text", "query"), ("/search", "/images", "/video", "/yandsearch", "/suggest", "/maps", "/news", "/touchsearch", "/msearch"),
          charset="windows-1251"),
    Place("Baidu", ("baidu.com",), ("wd", "word", "kw"), charset="gb18030"),
    Place("Sogou", ("sogou.com",), ("query", "keyword"), charset="gb18030"),
    Place("360 Search", ("so.com", "so.360.cn", "haosou.com"), ("q",), charset="gb18030"),
    Place("Naver", ("naver.com",), ("query",), charset="euc-kr"),
    Place("Daum", ("daum.net",), ("q",), charset="euc-kr"),
    Place("Seznam", ("seznam.cz",), ("q", "query")),
    Place("Mail.ru", ("mail.ru",), ("q",), ("/search", "/go.mail.ru"), charset="windows-1251"),
    Place("Rambler", ("rambler.ru",), ("query", "words"), charset="windows-1251"),
    Place("Ask", ("ask.com",), ("q",)),
    Place("AOL", ("aol.com", "aol.co.uk", "aol.de"), ("q", "query"), ("/aol", "/search", "/image", "/video")),
    Place("Mojeek", ("mojeek.com", "mojeek.co.uk"), ("q",)),
    Place("Swisscows", ("swisscows.com",), ("query", "q")),
    Place("MetaGer", ("metager.org", "metager.de"), ("eingabe",)),
    Place("Kagi", ("kagi.com",), ("q",)),
    Place("Dogpile", ("dogpile.com", "metacrawler.com", "webcrawler.com", "info.com", "zapmeta.com", "excite.com", "lycos.com", "infospace.com"), ("q", "query")),
    Place("Gibiru", ("gibiru.com",), ("q",)),
    Place("Presearch", ("presearch.com", "presearch.org"), ("q",)),
    Place("You.com", ("you.com",), ("q",)),
    Place("Yep", ("yep.com",), ("q",)),
    Place("Lilo", ("lilo.org",), ("q",)),
    Place("OceanHero", ("oceanhero.today",), ("q",)),
    Place("Kiddle", ("kiddle.co",), ("q",)),
    Place("Swiggle", ("swiggle.org.uk",), ("q", "gsc.q")),
    Place("KidRex", ("kidrex.org", "safesearchkids.com", "kidzsearch.com", "kidssearch.com", "juniorsafesearch.com"), ("q",)),
    Place("Wolfram Alpha", ("wolframalpha.com",), ("i", "input")),
    Place("searx", ("searx.be", "searxng.org", "priv.au"), ("q",)),
    Place("YouTube", ("youtube.com", "youtubekids.com"), ("search_query", "q"), inside=("/hashtag/",)),
    Place("Vimeo", ("vimeo.com",), ("q",), ("/search",)),
    Place("Dailymotion", ("dailymotion.com",), ("q",), inside=("/search/",)),
    Place("Bilibili", ("bilibili.com",), ("keyword",)),
    Place("Wikipedia", ("wikipedia.org", "wikimedia.org", "wiktionary.org", "wikidata.org", "wikibooks.org", "wikihow.com"), ("search", "srsearch", "gsrsearch")),
    Place("Fandom", ("fandom.com",), ("query", "q")),
    Place("Britannica", ("britannica.com", "britannica.co.uk"), ("query",), ("/search",)),
    Place("Amazon", ("amazon",), ("k", "field-keywords", "keywords")),
    Place("eBay", ("ebay",), ("_nkw", "_sacat_kw")),
    Place("Etsy", ("etsy.com",), ("q",), ("/search", "/uk/search")),
    Place("Temu", ("temu.com",), ("search_key", "q")),
    Place("Shein", ("shein",), ("q", "keyword"), inside=("/pdsearch/",)),
    Place("AliExpress", ("aliexpress.com", "aliexpress.us"), ("SearchText",), inside=("/w/wholesale-",)),
    Place("Vinted", ("vinted",), ("search_text",)),
    Place("Depop", ("depop.com",), ("q",)),
    Place("Gumtree", ("gumtree.com",), ("search_keywords", "q", "q_keywords")),
    Place("Argos", ("argos.co.uk",), (), inside=("/search/",)),
    Place("App Store", ("apps.apple.com",), ("term", "q")),
    Place("Reddit", ("reddit.com",), ("q",)),
    Place("TikTok", ("tiktok.com",), ("q", "keyword"), inside=("/tag/", "/discover/")),
    Place("Pinterest", ("pinterest",), ("q",), ("/search", "/resource")),
    Place("Instagram", ("instagram.com",), ("q", "query"), inside=("/explore/tags/",)),
    Place("X", ("x.com", "twitter.com"), ("q", "query"), inside=("/hashtag/",)),
    Place("Facebook", ("facebook.com",), ("q", "query"), ("/search", "/hashtag", "/marketplace", "/public"), inside=("/hashtag/", "/public/")),
    Place("Threads", ("threads.net", "threads.com"), ("q",)),
    Place("Bluesky", ("bsky.app",), ("q",), inside=("/hashtag/",)),
    Place("Snapchat", ("snapchat.com",), ("q",)),
    Place("LinkedIn", ("linkedin.com",), ("keywords",)),
    Place("Tumblr", ("tumblr.com",), ("q",), inside=("/search/", "/tagged/")),
    Place("VK", ("vk.com",), ("q", "c[q]")),
    Place("Quora", ("quora.com",), ("q",), ("/search",)),
    Place("Twitch", ("twitch.tv",), ("term",)),
    Place("Spotify", ("open.spotify.com",), ("q",), inside=("/search/",)),
    Place("SoundCloud", ("soundcloud.com",), ("q",), ("/search",)),
    Place("GIPHY", ("giphy.com",), ("q", "tag"), inside=("/search/", "/explore/")),
    Place("Tenor", ("tenor.com", "tenor.co"), ("q",), inside=("/search/",)),
    Place("Imgur", ("imgur.com",), ("q", "q_all", "q_any", "q_exactly"), inside=("/t/", "/search/")),
    Place("Pixabay", ("pixabay.com",), ("q",), inside=("/images/search/", "/videos/search/", "/photos/search/", "/music/search/", "/gifs/search/")),
    Place("Unsplash", ("unsplash.com",), ("query",), inside=("/s/photos/", "/s/illustrations/", "/ngetty/v3/search/images/creative/")),
    Place("Pexels", ("pexels.com",), ("query",), inside=("/search/", "/search/videos/")),
    Place("Flickr", ("flickr.com",), ("text", "q", "tags"), inside=("/photos/tags/",)),
    Place("DeviantArt", ("deviantart.com",), ("q",), inside=("/tag/",)),
    Place("Shutterstock", ("shutterstock.com",), ("searchterm",), inside=("/search/",)),
    Place("Getty Images", ("gettyimages", "istockphoto.com"), ("phrase",), inside=("/photos/", "/search/2/image/")),
    Place("Wattpad", ("wattpad.com",), ("q",), inside=("/search/",)),
    Place("Archive of Our Own", ("archiveofourown.org",), ("work_search[query]", "tag_search[name]"), inside=("/tags/",)),
    Place("Goodreads", ("goodreads.com",), ("q", "query")),
    Place("IMDb", ("imdb.com",), ("q",), ("/find", "/search")),
    Place("Internet Archive", ("archive.org",), ("query", "q"), ("/search", "/advancedsearch.php", "/services/search")),
    Place("GitHub", ("github.com",), ("q", "query"), ("/search", "/topics", "/marketplace"), inside=("/topics/",)),
    Place("Stack Overflow", ("stackoverflow.com", "stackexchange.com", "superuser.com"), ("q",), ("/search",)),
    Place("Steam", ("steampowered.com", "steamcommunity.com"), ("term", "text", "searchText")),
    Place("Roblox", ("roblox.com",), ("keyword", "Keyword")),
    Place("itch.io", ("itch.io",), ("q",), ("/search",)),
    Place("CrazyGames", ("crazygames.com", "poki.com", "y8.com", "coolmathgames.com", "scratch.mit.edu"), ("q", "query"), inside=("/search/",)),
    Place("BBC", ("bbc.co.uk", "bbc.com"), ("q",), ("/search", "/sounds/search", "/iplayer/search", "/bitesize/search")),
    Place("Gov.uk", ("gov.uk", "nhs.uk"), ("q", "keywords"), ("/search",)),
    Place("Perplexity", ("perplexity.ai",), ("q",), inside=("/search/",)),
    Place("ChatGPT", ("chatgpt.com", "chat.openai.com"), ("q", "prompt")),
    Place("Copilot", ("copilot.microsoft.com", "m365.cloud.microsoft"), ("q",)),
    Place("Claude", ("claude.ai",), ("q",)),
    Place("Gemini", ("gemini.google.com", "aistudio.google.com"), ("q", "prompt", "text")),
    Place("Grok", ("grok.com",), ("q",)),
    Place("Le Chat", ("chat.mistral.ai",), ("q",)),
    Place("DeepSeek and Qwen", ("chat.deepseek.com", "chat.qwen.ai", "chatglm.cn"), ("q", "prompt")),
    Place("Poe", ("poe.com",), ("q",)),
    Place("Hugging Face", ("huggingface.co",), ("search", "q", "prompt")),
    Place("Character.AI", ("character.ai",), ("q", "query"), inside=("/search/",)),
    Place("Phind", ("phind.com", "iask.ai", "andisearch.com", "komo.ai"), ("q",)),
)  # fmt: skip
"""Every place we know. Several rows may share a key; each is asked."""

SITE_SEARCH_PARAMS = ("q", "query", "s", "search", "search_query", "keyword", "keywords", "term", "searchterm", "k")
"""What sites of all kinds call it, taken only on a path that says it is a search."""
SITE_SEARCH_PATHS = frozenset(
    {"search", "search.php", "search.html", "search.aspx", "results", "find", "searchresults"}
)
"""Last path segments that say so."""
BLOG_PARAM = "s"
"""On the root of a site this is the search of the most common blog engine: `/?s=kittens`."""

FORMS: dict[str, frozenset[str]] = {
    "google": frozenset({"/search"}),
    "bing": frozenset({"/search", "/images/search", "/videos/search"}),
    "yahoo": frozenset({"/search"}),
    "duckduckgo.com": frozenset({"", "/html", "/lite"}),
    "startpage.com": frozenset({"/sp/search", "/do/search", "/do/dsearch", "/do/metasearch.pl"}),
    "ixquick.com": frozenset({"/sp/search", "/do/search"}),
    "ecosia.org": frozenset({"/search", "/images"}),
    "brave.com": frozenset({"/search", "/images", "/videos"}),
    "mojeek.com": frozenset({"/search"}),
    "metager.org": frozenset({"/meta/meta.ger3"}),
    "metager.de": frozenset({"/meta/meta.ger3"}),
    "searx.be": frozenset({"", "/search"}),
}
"""Where engines take a search as a form (POST), by domain or brand: the words are then in the body, not in the URL."""
