"""What a stranger packed: plain files in our folder, and nothing anywhere else."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from categories.archives import ArchiveProblem, Room, copy_tree, unpack

LIST = b"games.example\n"


def tar(*members: tuple[str, bytes | str | None], kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar of (name, content); a text is where a link leads, None is a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            if isinstance(data, bytes):
                member.size, member.type = len(data), kind
                archive.addfile(member, io.BytesIO(data))
            else:
                member.type = tarfile.DIRTYPE if data is None else tarfile.SYMTYPE
                member.linkname = data or ""
                archive.addfile(member)
    return out.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def opened(tmp_path: Path, data: bytes, *, tree: bool = True, room: Room | None = None) -> Path:
    file = tmp_path / "download"
    file.write_bytes(data)
    unpack(file, tmp_path / "in" / "new", tree=tree, room=room)
    return tmp_path / "in" / "new"


GOOD = (("blacklists/games", None), ("blacklists/games/domains", LIST), ("blacklists/fun", "games"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_tree_with_its_aliases(tmp_path: Path, pack: type[bytes]) -> None:
    folder = opened(tmp_path, pack(tar(*GOOD)))
    assert (folder / "blacklists" / "fun" / "domains").read_bytes() == LIST
    assert (folder / "blacklists" / "fun").readlink() == Path("games")


def test_a_zip_is_a_tree_too(tmp_path: Path) -> None:
    assert (opened(tmp_path, zipped(("games/domains", LIST))) / "games" / "domains").read_bytes() == LIST


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (tar(("../domains", LIST)), "no name for a file"),
        (tar(("games/../../domains", LIST)), "no name for a file"),
        (tar(("/etc/domains", LIST)), "out of the archive"),
        (tar(("a/b/c/d/e", LIST)), "no name for a file"),
        (tar(("games/dom\nains", LIST)), "no name for a file"),
        (tar(("games/.bashrc", LIST)), "no name for a file"),
        (tar(("games", "/etc")), "leads elsewhere"),
        (tar(("games", "../..")), "leads elsewhere"),
        (tar(("games/domains", b""), kind=tarfile.CHRTYPE), "neither file, folder nor link"),
        (tar(("games/domains", LIST), ("games/domains", LIST)), "File exists"),
        (zipped(("../domains", LIST)), "no name for a file"),
        (zipped(("/domains", LIST)), "out of the archive"),
        (tar(*GOOD)[:700], "damaged"),
        (LIST, "no archive"),
    ],
)
def test_nothing_is_written_outside(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises((ArchiveProblem, FileExistsError), match=says):
        opened(tmp_path, data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["download", "in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["new"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link first, and a file through it after: the file comes first, so that the link is never made."""
    folder = opened(tmp_path, tar(("games", "other"), ("games/domains", LIST), ("other/domains", b"x\n")))
    assert not (folder / "games").is_symlink()
    assert (folder / "other" / "domains").read_bytes() == b"x\n"


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(bytes(200_000)),
        lzma.compress(bytes(200_000)),
        gzip.compress(tar(("games/domains", bytes(200_000)))),
        zipped(("games/domains", bytes(200_000))),
    ],
)
@pytest.mark.parametrize("tree", [False, True])
def test_a_bomb_is_stopped_on_the_way(tmp_path: Path, data: bytes, tree: bool) -> None:
    """Counted as it comes out; what a header promises is not believed."""
    with pytest.raises(ArchiveProblem):
        opened(tmp_path, data, tree=tree, room=Room(bytes=100_000))


def test_many_small_files_are_a_bomb_too(tmp_path: Path) -> None:
    with pytest.raises(ArchiveProblem, match="more than 10 files"):
        opened(tmp_path, tar(*((f"games/f{number}", b"") for number in range(20))), room=Room(members=10))


def test_one_list_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveProblem, match="a tree of lists has format `ut1`"):
        opened(tmp_path, tar(*GOOD), tree=False)


def test_a_folder_is_copied_under_the_same_rules(tmp_path: Path) -> None:
    (tmp_path / "tree" / "games").mkdir(parents=True)
    (tmp_path / "tree" / "games" / "domains").write_bytes(LIST)
    (tmp_path / "tree" / "away").symlink_to("/etc")
    with pytest.raises(ArchiveProblem, match="leads elsewhere"):
        copy_tree(tmp_path / "tree", tmp_path / "copy")
    (tmp_path / "tree" / "away").unlink()
    copy_tree(tmp_path / "tree", tmp_path / "copy2")
    assert (tmp_path / "copy2" / "games" / "domains").read_bytes() == LIST
    with pytest.raises(ArchiveProblem, match="more comes out"):
        copy_tree(tmp_path / "tree", tmp_path / "copy3", Room(bytes=3))
