"""doctor: what is there, what is missing, how to get it."""

from contextlib import suppress

import pytest

from qse_hw.cli import doctor, main


@pytest.fixture
def machine(monkeypatch):
    """A machine that has all tools except the named ones."""

    def lacks(*names):
        version = {item.name: f"{number}.5" for number, item in enumerate((*doctor.PACKAGES, *doctor.PROGRAMS))}
        look = lambda name: None if name in names else version[name]  # noqa: E731
        monkeypatch.setattr(doctor, "package_version", look)
        monkeypatch.setattr(doctor, "version_of", look)
        monkeypatch.setattr(doctor.shutil, "which", look)

    return lacks


def rows(said):
    lines = [line.strip("│").split("│") for line in said.splitlines() if line.startswith("│")]
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}


def test_everything_is_there(machine, capsys):
    machine()
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert said.endswith("everything needed is there\n")
    table = rows(said)
    assert list(table) == [item.name for item in (*doctor.PACKAGES, *doctor.PROGRAMS)]
    assert table["amaranth"] == ["0.5", "hardware generator", ""]
    assert table["nvidia-smi"][0] == "found"
    assert all(version and purpose and not remedy for version, purpose, remedy in table.values())


@pytest.mark.parametrize("item", [item for item in (*doctor.PACKAGES, *doctor.PROGRAMS) if item.needed])
def test_something_needed_is_missing(machine, capsys, item):
    machine(item.name)
    with pytest.raises(SystemExit) as caught:
        main(["doctor"])
    assert caught.value.code == 1
    said = capsys.readouterr().out
    assert said.endswith(f"missing: {item.name}\n")
    assert rows(said)[item.name] == ["missing", item.purpose, item.remedy]


def test_several(machine, capsys):
    machine("g++", "torch", "iverilog")
    with pytest.raises(SystemExit):
        main(["doctor"])
    assert capsys.readouterr().out.endswith("missing: torch, g++\n")


def test_what_is_optional(machine, capsys):
    machine("lm-eval", "iverilog", "nvidia-smi")
    assert main(["doctor"]) == 0
    table = rows(capsys.readouterr().out)
    assert {name for name, row in table.items() if row[0] == "missing (optional)"} == {
        "lm-eval", "iverilog", "nvidia-smi",
    }  # fmt: skip
    assert table["iverilog"][2] == "Debian: apt-get install iverilog"


def test_this_machine(capsys):
    from importlib.metadata import version

    with suppress(SystemExit):
        main(["doctor"])
    table = rows(capsys.readouterr().out)
    for name in ("amaranth", "numpy", "torch", "cocotb"):
        assert table[name][0] == version(name)
