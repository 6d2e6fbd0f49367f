"""Energy per token of a whole model in standard cells, on the tokens of a text.

The model's Verilog is simulated token by token, and all ports of its logic, also those to the memories outside, are
recorded. The netlist is replayed on that (:mod:`qse_hw.synth.cells.replay`) and must answer in every cycle as the
Verilog did, whose logits must be the integer model's. The memories have no energy here, because the library has none of
their kind; how often each is read and written is counted.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.reference.product_schedule import WIDE_BITS
from qse_hw.golden.reference.words import as_signed, split_fields
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.mixer.model import embed, parameter_words, token_beats
from qse_hw.rtl_gen.units.model import ModelConfig
from qse_hw.sim.accelerator.accelerator import enough_cycles, model_program
from qse_hw.sim.accelerator.library import tap_bits
from qse_hw.synth.activity import RESET, Activity
from qse_hw.synth.cache import Cache
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.replay import Recording, Replay
from qse_hw.synth.cells.sta import analyze
from qse_hw.synth.energy import energies
from qse_hw.synth.flow import Point, point_key
from qse_hw.synth.memories import Macro
from qse_hw.synth.targets.cells import Cells
from qse_hw.synth.targets.split import show_ports

BEFORE = 1
"""Tokens at the start of the text that are simulated, but not counted."""
_WRITE = re.compile(r"^macro\d+_wr_(addr|data)$")
STRIDE = 257
"""Glitches are counted in every cycle of so many; a prime, as what the engine does repeats after powers of two."""


def measure_model_energy(point: Point, tokens: Sequence[int], *, cache: Cache | None = None) -> dict[str, Any]:
    """Energy per token of a model on standard cells.

    Args:
        point: a :class:`ModelConfig` without taps, on :class:`Cells`.
        tokens: ids; the first :data:`BEFORE` of them are not counted.
        cache: where results are kept; None: nowhere.

    Returns:
        As JSON: ``tokens`` counted, their ``cycles``; per token ``toggles`` of all nets and, in pJ, ``energy`` and its
        parts, ``leakage``, and ``missing`` as :func:`qse_hw.synth.energy.measure_energy` gives them; for each memory
        outside, ``macros``: its name, words, bits of a word, and reads and writes per token.

    Raises:
        InputError: if a tool is missing or fails, or the netlist cannot be replayed.
        RuntimeError: if the netlist, the Verilog and the integer model do not agree.
    """
    config = point.unit.config
    assert isinstance(config, ModelConfig)
    words = parameter_words(config.integers, config.mixer)
    key = point_key("energy of a model", point, point.unit.text, "synth") | {
        "model": config.integers.formats.model,
        "parameters": hashlib.sha256(words.tobytes()).hexdigest(),
        "tokens": list(tokens),
    }
    result: dict[str, Any] = (cache or Cache(None)).recall(key, lambda: _measure(point, words, tokens))
    return result


def _measure(point: Point, words: npt.NDArray[np.uint8], tokens: Sequence[int]) -> dict[str, Any]:
    unit, target = point.unit, point.target
    assert isinstance(target, Cells)
    with tempfile.TemporaryDirectory(prefix="qse-model-energy-") as name:
        folder = Path(name)
        netlist, macros = target.synthesize(unit, folder)
        mapped = MappedNetlist.read(netlist, target.library)
        recording, begin = record(unit, words, tokens, folder)
    replayed = Replay(mapped)(recording, begin=begin, stride=STRIDE, when=matters_when(mapped.outputs))
    if replayed.differing:
        port, cycles = max(replayed.differing.items(), key=lambda item: item[1])
        raise RuntimeError(f"the netlist's {port} is not the Verilog's in {cycles:,} cycles")
    counted = len(tokens) - BEFORE
    activities = [
        Activity(toggles, mapped.names, beats=counted, lanes=1, streams=1)
        for toggles in (replayed.toggles, replayed.glitching)
    ]
    return {
        "tokens": counted,
        "cycles": (len(recording.rows) - begin) / counted,
        "toggles": [activity.per_value for activity in activities],
        **energies(mapped, analyze(mapped), activities),
        "macros": accesses(macros, recording, mapped.outputs, begin=begin, tokens=counted),
    }


def matters_when(outputs: Iterable[str]) -> dict[str, str]:
    """By output of a unit's logic that matters in some cycles only, the output that says so.

    A payload needs its ``valid``; address and data of a write need their enables: else Yosys may choose them.
    """
    names = set(outputs)
    pairs = {name: name.removesuffix("payload") + "valid" for name in names if name.endswith("__payload")}
    pairs |= {name: f"{name[: -len(match[1])]}en" for name in names if (match := _WRITE.search(name))}
    return {name: other for name, other in pairs.items() if other in names}


def record(
    unit: Emitted, words: npt.NDArray[np.uint8], tokens: Sequence[int], folder: Path
) -> tuple[Recording, int]:
    """The ports of a model's logic from its reset on.

    Args:
        unit: the model; if it has taps, they are among its ports.
        words: its parameters, (words, bytes).
        tokens: ids.
        folder: for all files that are made.

    Returns:
        The recording, and the first cycle after the first :data:`BEFORE` tokens.

    Raises:
        InputError: if a tool is missing or fails.
        RuntimeError: if the simulation fails, or its logits are not the integer model's.
    """
    config = unit.config
    assert isinstance(config, ModelConfig)
    mixer = config.mixer
    shown, places = show_ports(unit, folder)
    program = model_program(shown, config, folder / "simulation", short=True)
    try:
        rows = [program.load(words, room=4 * len(words) + enough_cycles(mixer))]
        model = IntegerMamba(config.integers)
        states = model.start(1)
        for number, token in enumerate(tokens):
            beats = token_beats(embed(config.integers, token), first=number == 0, sequences=mixer.sequences)
            ran = program.run(beats, outputs=mixer.vocabulary, limit=enough_cycles(mixer))
            (logits,) = split_fields(ran.outputs, [WIDE_BITS])
            if (as_signed(logits, WIDE_BITS) != model.forward(np.array([[token]]), states)[0, 0]).any():
                raise RuntimeError(f"the Verilog's logits of token {number} are not the integer model's")
            rows.append(ran.taps)
    finally:
        program.close()
    widths = {port["name"]: port["width"] for port in unit.ports}
    before = 1 + tap_bits(widths)  # the other taps, and this one's valid bit
    places = {port: before + place for port, place in places.items()}
    reset = np.zeros((RESET, rows[0].shape[1]), np.uint8)
    reset[:, places["rst"] // 8] = 1 << places["rst"] % 8
    begin = RESET + sum(map(len, rows[: 1 + BEFORE]))
    return Recording(np.concatenate([reset, *rows]), places), begin


def accesses(
    macros: Sequence[Macro], recording: Recording, ports: Mapping[str, Sequence[Any]], *, begin: int, tokens: int
) -> list[dict[str, Any]]:
    """The memories outside, with the cycles per token in which each is read and written.

    Args:
        macros: the memories, in the order of their numbers.
        recording: of the ports of the logic.
        ports: the logic's outputs, by name.
        begin: the first cycle that counts.
        tokens: of the cycles from there on.
    """
    counted = Recording(recording.rows[begin:], recording.places)

    def enabled(port: str) -> float:
        if port not in ports:  # constant
            return len(counted.rows) / tokens
        return int(counted.bits(port, len(ports[port])).any(axis=1).sum()) / tokens

    return [
        {
            "name": macro.name, "words": macro.words, "bits": macro.bits,
            "reads": enabled(f"macro{number}_rd_en"), "writes": enabled(f"macro{number}_wr_en"),
        }
        for number, macro in enumerate(macros)
    ]  # fmt: skip
