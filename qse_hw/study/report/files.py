"""The files beside the page, and how the page was made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from qse_hw.study.report.evidence import digest
from qse_hw.study.report.html import Html, code, listing, paragraph, section, table, tag

VERILOG = "verilog"
"""The folder beside the page."""

_WHAT = {
    ".v": "Verilog",
    ".npz": "vectors: inputs, and what must come out",
    ".json": "manifest: ports, latency, parameters, code table",
    ".core": "FuseSoC core file",
    ".hex": "memory that the testbench reads",
    ".h": "registers, for C",
    ".py": "registers, for Python",
    ".md": "registers, for people",
}


def section_files(top: str, paths: Sequence[Path]) -> Html:
    """The section; ``paths``: of the files in the folder :data:`VERILOG`."""
    rows = [
        [
            tag("a", path.name, href=f"{VERILOG}/{quote(path.name)}"), _what(top, path), code(digest(path)),
            f"{path.stat().st_size:,}",
        ]
        for path in paths
    ]  # fmt: skip
    return section(
        "files",
        "Files",
        paragraph("Beside this page; the head of the testbench tells how to run it without Python."),
        table("Files, what they are, and their SHA-256", ["file", "what", "SHA-256", "bytes"], rows, left=3),
    )


def section_made(document: Mapping[str, Any], command: str, date: str) -> Html:
    """The section; ``document``: of :func:`qse_hw.synth.report.document`; ``date``: the only thing that tells when."""
    machine = document["machine"]
    rows = [
        ["date", date],
        ["commit", document["commit"] or "an installed package"],
        ["machine", f"{machine['system']}, {machine['processor']}, {machine['cores']} cores"],
        ["Python", document["python"]],
        *sorted([name, version] for name, version in document["versions"].items()),
    ]
    return section(
        "made",
        "How this page was made",
        paragraph("Every figure on it is from one run of this command:"),
        listing(command),
        table("With what", ["", ""], rows, left=2),
    )


def _what(top: str, path: Path) -> str:
    if path.name == f"{top}.v":
        return "the unit, Verilog"
    if path.name == f"tb_{top}.v":
        return "self-checking testbench, Verilog"
    return _WHAT.get(path.suffix, "")
