"""Pages a school must be able to read, with all of e2guardian's phrase lists in force.

Shows: `categories.pagescan`. The pages are ours, written as such pages are; the lists are the real ones.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from categories.pagescan import PageScan
from categories.pagetable import Finding, PageTable
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy

LISTS = "e2guardian-lists/phraselists"
YOUNG, OLDER, ADULT = 60, 100, 160
"""e2guardian's guide values for young children, older children and young adults."""

PLACES = """
<h1>Trips this term</h1><p>Year 6 visit Scunthorpe, Penistone and Lightwater; Year 8 go by train through Middlesex,
Essex and Sussex to see Arsenal play, and the choir sings in Cockermouth. Mr Dickinson and Mrs Cummings collect the
forms. The class assesses its passages on grass, a cocktail of colours, the Matsushita camera, and analyses titles
and therapists.
"""
BIOLOGY = """
<h1>Human reproduction</h1><p>In sexual reproduction a sperm cell from the father and an egg cell from the mother
join. The male reproductive system has two testes, which make sperm and the hormone testosterone, sperm ducts and
the penis. The female reproductive system has two ovaries, oviducts, the uterus, the cervix and the vagina. During
puberty the body changes: hair grows under the arms and in the pubic area, breasts develop, the voice breaks, and
periods begin. The menstrual cycle lasts about 28 days. Fertilisation happens in the oviduct; the embryo settles in
the lining of the uterus, and the placenta brings oxygen and food to the fetus. Contraception, such as condoms and
the pill, prevents pregnancy and some of it protects against sexually transmitted infections. Questions: where are
sperm made? What is the job of the scrotum? Why does the uterus lining thicken?
"""
NEWS = """
<h1>Police name man held after shooting</h1><p>A man of 34 was arrested after a fatal shooting outside a pub on
Saturday night. Detectives said a handgun and a knife were recovered, and that the victim was killed by a single
shot. In a separate case a court heard that a gang sold cocaine and heroin near a school; the judge said drugs had
ruined lives and sentenced three of them to prison. The minister promised a new law against gambling adverts and
online abuse. Sport: the bookmakers' favourites lost. Health: breast cancer screening reaches more women, and a
study of sexual health in towns is out. Weather: rain.
"""
DRUGS = """
<h1>Cannabis: the facts</h1><p>Cannabis, also called weed, pot, hash or skunk, comes from the hemp plant. It is
smoked with tobacco, or eaten. It can make people feel relaxed, or anxious and sick. It is a Class B drug: having it
can mean five years in prison, dealing it fourteen. Risks: your memory, your lungs, your mental health. Mixed with
alcohol it is riskier still. Cocaine, ecstasy, heroin and ketamine have pages of their own. If somebody needs help,
do not leave them alone; call 999. Talk to us in confidence, day or night, by telephone, text or e-mail. Worried
about a friend? Here is how to start the conversation, and where to find a drug service near you.
"""
HARM = """
<html><head><title>Hot XXX</title></head><body><p>Free hardcore porn videos: teen sluts, horny milf, big cock, anal
sex, cumshot, blowjob, gangbang. Watch live sex cams, xxx pics and nude girls. Adults only, 18+. Click here for more
free sex.
"""


@pytest.fixture(scope="module")
def table(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> PageTable:
    """All of the real phrase lists, looked for in pages."""
    folder = tmp_path_factory.mktemp("lesson-pages")
    with tarfile.open(next((real_data / "phrases").glob("*.tar.xz"))) as packed:
        packed.extractall(folder, filter="data")
    source = ListSource("e2g", folder / LISTS, "phrases", limit=YOUNG, apply_to=("page",))
    build_snapshot([source], folder / "lists", load_taxonomy())
    pages = open_snapshot(folder / "lists").pages
    assert pages is not None
    return pages


def over(table: PageTable, page: str, limit: int) -> list[Finding]:
    """What closes a page under a limit."""
    scan = PageScan(table)
    scan.feed(page.encode())
    return [finding for finding in scan.findings(last=True) if finding.over(limit)]


@pytest.mark.parametrize(
    ("page", "limit"),
    [(PLACES, YOUNG), (NEWS, YOUNG), (BIOLOGY, OLDER), (DRUGS, ADULT)],
    ids=["places", "news", "biology", "drugs"],
)
def test_a_page_of_a_lesson_opens(table: PageTable, page: str, limit: int) -> None:
    """Places and names, the news; how children are made. What a drug does has 115 points, for naming eight of them:
    below the limit for Key Stage 4; for younger ones a school opens the site that tells them."""
    assert over(table, page, limit) == []


def test_a_page_nobody_wants_in_school_closes(table: PageTable) -> None:
    """Else the limits would prove nothing."""
    assert {finding.match.category for finding in over(table, HARM, ADULT)} >= {"pornography"}
