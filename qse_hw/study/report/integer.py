"""A page about an integer model: formats by layer and tensor, what they take, and what ``eval`` found."""

from typing import TYPE_CHECKING, Any

from qse_hw.golden.errors import InputError
from qse_hw.study.evaluation.integer_tables import KINDS, NAMES, PARTS, mean_db, plain_interval, thousandths
from qse_hw.study.integer_formats import Storage, describe, storage, tensors
from qse_hw.study.report.html import Html, code, join, listing, paragraph, section, table, tag
from qse_hw.study.report.page import page

if TYPE_CHECKING:
    from qse_hw.golden.models.integer.formats import ModelFormats
    from qse_hw.golden.models.mamba.model import Config

TITLES = {"mamba1": "Mamba-1", "mamba2": "Mamba-2"}


def check_evaluation(document: Any, where: str, fingerprint: str) -> None:
    """InputError unless ``document`` is what ``eval --recipe integer`` wrote about that model."""
    from qse_hw.golden.io.document_kinds import refuse_other_kinds

    if not (isinstance(document, dict) and document.get("recipe") == "integer"):
        refuse_other_kinds(document, where, "report")
        raise InputError(f"{where} must be what eval --recipe integer --json wrote")
    if document["model"]["fingerprint"] != fingerprint:
        raise InputError(
            f"{where} must be of the model {fingerprint[:12]}, but is of {document['model']['fingerprint'][:12]}"
        )


def integer_page(formats: "ModelFormats", config: "Config", evaluation: dict[str, Any] | None, command: str) -> str:
    """The page; ``evaluation``: the report of ``eval --recipe integer``, if there is one."""
    parts = list(storage(formats, config))
    title = f"{TITLES[formats.architecture]} in integers, {len(formats.layers)} layers"
    sections = [
        ("about", "What it is", _about(formats)),
        ("formats", "Formats", _formats(formats)),
        ("storage", "What it takes", _storage(parts)),
    ]
    glance = [
        ("Weights", f"{_total(parts, 'weight'):,} bytes", "of all layers, embedding and head"),
        ("State", f"{_total(parts, 'state'):,} bytes", "of one sequence"),
    ]
    if evaluation is not None:
        sections.append(("accuracy", "Accuracy", _accuracy(evaluation)))
        for name, entry in evaluation["formats"].items():
            if entry["group"] == "integer":
                said = f"{NAMES[name]}; over Quamba's: {plain_interval(entry['kl_ratio'])}"
                glance.append(("KL, mnat/token", thousandths(entry["kl"]), said))
    sections.append(("made", "How it was made", section("made", "How it was made", listing(command))))
    lead = "Every tensor between token and logits is an integer; these are their types."
    return page(title, lead, glance, sections)


def _total(parts: list[Storage], kind: str) -> int:
    return sum(one.bytes for one in parts if one.kind == kind)


def _about(formats: "ModelFormats") -> Html:
    made = formats.transformations
    rows = [
        ["checkpoint (SHA-256)", code(formats.model)],
        ["tokens of the calibration", f"{formats.tokens:,}"],
        ["norms folded into the weights", _yes(made.fold_norms)],
        ["residual stream rotated", _yes(made.rotate_residual)],
        ["y rotated", _yes(made.rotate_y)],
        ["a weight matrix has a step for every", formats.weights],
        ["residual stream", describe(formats.residual)[1]],
        ["logits", describe(formats.logits)[1]],
    ]
    return section("about", "What it is", table("The model", ["what", "value"], rows, left=2))


def _yes(made: bool) -> str:
    return "yes" if made else "no"


def _formats(formats: "ModelFormats") -> Html:
    parts = []
    for number, layer in enumerate(formats.layers):
        rows = [[name, describe(one)[1], str(describe(one)[0])] for name, one in tensors(layer)]
        parts.append(
            tag(
                "details",
                tag("summary", f"Layer {number}"),
                table(f"Layer {number}", ["tensor", "type", "bits"], rows, left=2),
                open="open" if number == 0 else None,
            )
        )
    last = [["norm_f", describe(formats.norm_f)[1], str(describe(formats.norm_f)[0])]]
    words = (
        "sWeE is two's complement of W bits in units of 2^E. Codes stand for multiples of a step s, or where a tensor "
        "has a unit for every channel, of that unit."
    )
    return section(
        "formats", "Formats", paragraph(words), join(parts),
        table("After the layers", ["tensor", "type", "bits"], last, left=2),
    )  # fmt: skip


def _storage(parts: list[Storage]) -> Html:
    rows = [[one.name, one.kind, str(one.bits), f"{one.bytes:,}"] for one in parts]
    words = "Of all layers; activations are those of one token. Biases, D and the rows' multipliers are not counted."
    return section(
        "storage", "What it takes", paragraph(words),
        table("Bits and bytes", ["tensor", "kind", "bits", "bytes"], rows, left=2),
    )  # fmt: skip


def _accuracy(document: dict[str, Any]) -> Html:
    texts = document["texts"]
    words = (
        f"KL divergence from the unquantized model on {texts['held_out']['tokens']:,} tokens of "
        f"{texts['held_out']['name']}, in thousandths of a nat per token; [95 % interval over windows]."
    )
    recipes = [
        [NAMES[name], thousandths(entry["kl"]), plain_interval(entry["kl_ratio"])]
        for name, entry in document["formats"].items()
    ]
    content: list[Html] = [paragraph(words), table("Recipes", ["recipe", "KL", "over Quamba's"], recipes)]
    if "parts" in document:
        parts = [
            [PARTS[name], thousandths(entry["kl"]), plain_interval(entry["kl_ratio"])]
            for name, entry in document["parts"].items()
        ]
        content.append(table("Without one part of it", ["recipe", "KL", "over the whole's"], parts))
    if "tensors" in document:
        rows = [
            [f"{name}, {KINDS[kind]}", thousandths(one["kl"]), mean_db(one["sqnr_db"])]
            for name, effect in document["tensors"]["effects"].items()
            for kind, one in effect["kinds"].items()
        ]
        content.append(table("One tensor alone", ["tensor, rounded to", "KL", "SQNR / dB, mean"], rows))
    return section("accuracy", "Accuracy", *content)
