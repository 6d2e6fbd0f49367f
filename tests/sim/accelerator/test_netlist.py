"""A whole mixer's netlist, made of a device's or a library's cells, equals the integer model, too."""

from dataclasses import replace

import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.sim.accelerator.accelerator import Accelerator
from qse_hw.study.netlist import netlists
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.replay import Replay
from qse_hw.synth.model_energy import matters_when, parameter_words, record
from qse_hw.synth.targets import target
from tests.golden.models.integer import small
from tests.sim.accelerator.test_accelerator import PER_TOKEN, Reference
from tests.synth.small import SMALL


@pytest.mark.full
def test_an_ecp5s_netlist(small_config, tmp_path):
    config = replace(small_config, rows=2, columns=2, target="ecp5")
    accelerator = Accelerator(config, tmp_path, share=200, short=True, build=netlists("ecp5"))
    reference = Reference(accelerator.parameters)
    for token in small.text().tolist()[:3]:
        assert reference.check(token, accelerator.step(token)) == PER_TOKEN
    accelerator.close()


@pytest.mark.full
def test_a_netlist_of_standard_cells(small_config, tmp_path):
    """In every cycle of two tokens, all outputs that matter are those of the Verilog, every tensor's tap and all ports
    to the memories outside included; the Verilog's logits are the integer model's."""
    config = replace(small_config, rows=1, columns=1, scan_lanes=1, hadamard_lanes=1, taps=True)
    unit, cells = emit(config), target("cells", liberty=SMALL)
    netlist, macros = cells.synthesize(unit, tmp_path)
    assert any("states" in macro.name for macro in macros)
    mapped = MappedNetlist.read(netlist, cells.library)
    words = parameter_words(config.integers, config.mixer)
    recording, begin = record(unit, words, small.text().tolist()[:3], tmp_path)
    assert {"tap_state__payload", "tap_logits__payload", "macro0_wr_data"} <= mapped.outputs.keys()
    replay, when = Replay(mapped), matters_when(mapped.outputs)
    assert replay(recording, begin=begin, stride=1 << 30, when=when).differing == {}
    place = recording.places["weights__valid"]
    recording.rows[begin + 500, place // 8] ^= 1 << place % 8
    assert replay(recording, begin=begin, stride=1 << 30, when=when).differing
