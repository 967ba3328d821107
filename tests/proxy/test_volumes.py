"""What the data folder lies on is said, and nothing that cannot be seen is called encrypted."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import volumes
from proxy.cli import main
from proxy.doctor import examine
from proxy.settings import Settings
from proxy.volumes import Volume, mounted, on_a_share, volume_of

MOUNTS = """\
21 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw
22 21 0:5 / /proc rw - proc proc rw
40 21 8:17 / /srv rw - xfs /dev/sdb1 rw
41 40 0:52 / /srv/school\\040data rw - nfs4 filer.example:/school rw
42 21 0:60 / /tmp rw - tmpfs tmpfs rw
43 21 8:33 / /srv rw - ext4 /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/schoolgate", ("/", "ext4", "/dev/mapper/root", "253:0")),
        ("/srv/school data/store", ("/srv/school data", "nfs4", "filer.example:/school", "0:52")),
        ("/srv/other", ("/srv", "ext4", "/dev/sdc1", "8:33")),
        ("/srvother", ("/", "ext4", "/dev/mapper/root", "253:0")),
    ],
)
def test_the_mount_a_folder_lies_on(path: str, expected: tuple[str, ...]) -> None:
    assert mounted(Path(path), MOUNTS) == expected


def test_without_lines_nothing_is_known() -> None:
    assert mounted(Path("/srv"), "") is None
    assert mounted(Path("/srv"), "no such line\n21 1 -\n") is None


def device(folder: Path, name: str, *below: Path, uuid: str = "") -> Path:
    """A block device as /sys shows it."""
    made = folder / name
    (made / "slaves").mkdir(parents=True)
    for part in below:
        (made / "slaves" / part.name).symlink_to(part)
    if uuid:
        (made / "dm").mkdir()
        (made / "dm" / "uuid").write_text(f"{uuid}\n")
    return made


class TestEncryption:
    """Found through what lies between the file system and the disk."""

    def said(self, folder: Path, number: str = "253:0") -> str:
        mounts = folder / "mountinfo"
        mounts.write_text(f"21 1 {number} / / rw - ext4 /dev/x rw\n")
        found = volume_of(Path("/"), mounts, folder)
        assert found is not None
        return found.encrypted

    def test_luks(self, tmp_path: Path) -> None:
        device(tmp_path, "253:0", uuid="CRYPT-LUKS2-0123-root")
        assert self.said(tmp_path) == "yes"

    def test_lvm_on_luks(self, tmp_path: Path) -> None:
        crypt = device(tmp_path, "crypt", device(tmp_path, "disk"), uuid="CRYPT-LUKS2-0123-root")
        device(tmp_path, "253:0", crypt, uuid="LVM-0123")
        assert self.said(tmp_path) == "yes"

    def test_a_volume_of_which_only_half_is(self, tmp_path: Path) -> None:
        crypt = device(tmp_path, "crypt", uuid="CRYPT-LUKS2-0123-root")
        device(tmp_path, "253:0", crypt, device(tmp_path, "plain"), uuid="LVM-0123")
        assert self.said(tmp_path) == "no"

    def test_a_plain_disk(self, tmp_path: Path) -> None:
        device(tmp_path, "8:1")
        assert self.said(tmp_path, "8:1") == "no"

    def test_what_cannot_be_seen(self, tmp_path: Path) -> None:
        assert self.said(tmp_path, "8:99") == "unknown"
        assert self.said(tmp_path, "0:99") == "unknown"


@pytest.mark.parametrize(
    ("volume", "levels"),
    [
        (Volume("/", "ext4", "/dev/mapper/root", "yes"), {"encryption at rest": "good"}),
        (Volume("/", "ext4", "/dev/sda1", "no"), {"encryption at rest": "note"}),
        (Volume("/", "nfs4", "filer:/x", "unknown"), {"data folder's disk": "bad", "encryption at rest": "note"}),
        (None, {"encryption at rest": "note"}),
    ],
)
def test_doctor_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volume: Volume | None, levels: dict[str, str]
) -> None:
    monkeypatch.setattr(volumes, "volume_of", lambda path: volume)
    found = {one.what: one.level for one in examine(Settings(data=tmp_path))}
    assert {what: level for what, level in found.items() if what in ("encryption at rest", "data folder's disk")} == (
        levels
    )
    assert "disk speed" in found


@pytest.mark.parametrize("command", ["run", "validate", "shipper"])
def test_a_record_of_files_is_refused_on_a_share_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Nothing is begun there."""
    monkeypatch.setattr(volumes, "volume_of", lambda path: Volume("/srv", "nfs4", "filer:/x", "unknown"))
    assert main(["--data", str(tmp_path / "data"), command]) == 1
    told = "".join(capsys.readouterr())
    assert "lies on another machine (nfs4, filer:/x)" in told
    assert "PostgreSQL" in told
    assert not (tmp_path / "data" / "store").exists()


def test_a_database_may_be_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder then holds no store."""
    monkeypatch.setattr(volumes, "volume_of", lambda path: Volume("/srv", "nfs4", "filer:/x", "unknown"))
    assert on_a_share(object(), Path("/srv")) == ""
    assert on_a_share(Path("/srv/store"), Path("/srv")) != ""


def test_of_this_machine_something_is_known(tmp_path: Path) -> None:
    found = volume_of(tmp_path / "not there yet")
    assert found is not None
    assert found.kind
