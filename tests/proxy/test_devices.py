"""`schoolgate devices`, as a technician types it: the register and the overlay follow.

Shows: `proxy.devicechanges`.
"""

from __future__ import annotations

import pytest

from tests.proxy.test_users import Technician


@pytest.fixture
def technician(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Technician:
    return Technician(tmp_path_factory.mktemp("school"), monkeypatch, capsys, command="devices")


def test_a_machine_is_named_and_forgotten(technician: Technician) -> None:
    """Put, list and remove; the settings' places show too, and the machine stands in its network."""
    put = technician.json("put", "10.4.2.14", "--site", "oakwood", "--device", "lab2-14", "--asset", "ICT-0042")
    assert (put["network"], put["device"], put["asset"]) == ("10.4.2.14", "lab2-14", "ICT-0042")
    place = technician.overlay().place("10.4.2.14")
    assert (place.device, place.band) == ("lab2-14", "ks2")
    assert [(one["network"], one["from"]) for one in technician.json("list")] == [
        ("10.4.2.14", "register"),
        ("10.4.0.0/16", "settings"),
    ]
    assert technician.types("list") == 0
    assert "lab2-14" in technician.said
    assert technician.json("remove", "10.4.2.14/32") == {"ok": True, "removed": "10.4.2.14/32"}
    assert technician.overlay().place("10.4.2.14").device is None
    assert [line[1] for line in technician.trail()] == ["place.add", "place.remove"]


def test_the_inventory_is_shown_first_and_taken_then(technician: Technician) -> None:
    """`--dry-run` changes nothing; a bad file changes nothing and names its lines."""
    file = technician.folder / "assets.csv"
    file.write_text("network,site,device,owner\n10.4.2.14,oakwood,lab2-14,it\n10.4.2.15,oakwood,lab2-15,it\n")
    assert technician.types("import", str(file), "--dry-run") == 0
    assert "2 would be added" in technician.told
    assert len(technician.json("list")) == 1
    assert technician.json("import", str(file))["done"] is True
    assert technician.overlay().place("10.4.2.15").device == "lab2-15"
    file.write_text("network,site\nnowhere,oakwood\n")
    assert technician.types("import", str(file)) == 1
    assert f"{file}:2: 'nowhere' is neither address nor network" in technician.told


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("put", "10.4.2", "--site", "oakwood"), 1, "neither address nor network"),
        (("put", "10.4.2.1", "--site", "oakwood", "--band", "ks22"), 1, "did you mean 'ks2'?"),
        (("put", "10.4.2.1"), 2, "--site"),
        (("remove", "10.9.9.9"), 1, "no such place"),
        (("import", "absent.csv"), 1, "absent.csv"),
    ],
)
def test_what_cannot_be_done(technician: Technician, words: tuple[str, ...], status: int, says: str) -> None:
    """No is 1, usage is 2, and the reason is on stderr."""
    assert technician.types(*words) == status
    assert says in technician.told
    assert technician.said == ""
