"""A small e2guardian installation, written for the tests."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "e2guardian.conf": """\
# everything
filtergroups = 2
.Define LISTDIR </etc/e2guardian/lists>
iplist = 'name=bannedclient,messageno=100,path=__LISTDIR__/bannediplist'
filtergroupslist = '__LISTDIR__/filtergroupslist'
""",
    "e2guardianf1.conf": """\
groupname = 'Pupils'
naughtynesslimit = 60
bannedphraselist = '__LISTDIR__/bannedphraselist'
weightedphraselist = '__LISTDIR__/weightedphraselist'
sitelist = 'name=banned,messageno=500,path=__LISTDIR__/bannedsitelist'
sitelist = 'name=localexception,path=__LISTDIR__/localexceptionsitelist'
sitelist = 'name=exception,path=__LISTDIR__/exceptionsitelist'
sitelist = 'name=grey,path=__LISTDIR__/greysitelist'
urllist = 'name=banned,path=__LISTDIR__/bannedurllist'
regexpboollist = 'name=banned,path=__LISTDIR__/bannedregexpurllist'
regexpreplacelist = 'name=change,path=__LISTDIR__/urlregexplist'
searchlist = 'name=banned,path=__LISTDIR__/bannedsearchlist'
fileextlist = 'name=bannedextension,path=__LISTDIR__/bannedextensionlist'
sitelist = 'name=nocheckcert,path=__LISTDIR__/nocheckcertsitelist'
sitelist = 'name=embededreferer,path=__LISTDIR__/missing'
what is this
""",
    "e2guardianf2.conf": """\
groupname = 'Staff room'
naughtynesslimit = 200
sitelist = 'name=banned,path=__LISTDIR__/staffbannedsitelist'
""",
    "lists/bannedsitelist": """\
#listcategory: "Banned Sites"
closed.example
.Include<__LISTDIR__/blacklists/porn/domains>
.Include</elsewhere/domains>
""",
    "lists/blacklists/porn/domains": "adult.example\nbad..line\n",
    "lists/staffbannedsitelist": "**\nstaff-closed.example\n",
    "lists/localexceptionsitelist": "adult.example\n",
    "lists/exceptionsitelist": "#time: 12 0 13 0 01234\nopen.example\n.Include<__LISTDIR__/moreexceptions>\n",
    "lists/moreexceptions": '#listcategory: "games"\nplay.example\n',
    "lists/greysitelist": "# nobody\n",
    "lists/bannedurllist": "portal.example/games\n",
    "lists/bannedregexpurllist": "poker\n^https?://(www\\.)?dice\\.example/\n",
    "lists/urlregexplist": '"(^http://a)"->"b"\n',
    "lists/bannedsearchlist": "girl+naughty\nzebra+ape\n",
    "lists/bannedextensionlist": ".exe # programs\n.zip\n",
    "lists/nocheckcertsitelist": "school.example\n",
    "lists/bannediplist": "10.0.0.9\n",
    "lists/filtergroupslist": "Head=filter2\n10.9.0.0/16 = filter2\nnobody=filter7\n",
    "lists/bannedphraselist": '#listcategory: "Banned"\n<nerve agent>\n',
    "lists/weightedphraselist": "# none here\n.Include<__LISTDIR__/phraselists/gambling/weighted>\n",
    "lists/phraselists/gambling/weighted": '#listcategory: "Gambling (Danish)"\n<poker><40>\n<bad\n',
    "lists/phraselists/unused/weighted": "<unused><40>\n",
}


def write_installation(folder: Path) -> Path:
    """Write it below `folder`; give its root."""
    root = folder / "e2guardian"
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root
