"""A program of stimuli played to Verilog that Verilator has compiled: the other simulator."""

import subprocess
from pathlib import Path

from qse_hw.sim.simulators.verilate import verilate
from qse_hw.synth.mutation.stimuli import pins

MAIN = Path(__file__).with_name("mutate_replay.cpp")


class Replay:
    """The unit ``emitted``; or ``text``, the same with faults that an input of ``mutsel`` bits picks from."""

    def __init__(self, emitted, folder, text=None, mutsel=0):
        self._folder, self._widths = folder, [sum(widths.values()) for widths in pins(emitted)]
        places = [f".clk(clk), .mutsel(mutsel[{mutsel - 1}:0])" if mutsel else ".clk(clk)"]
        for vector, widths in zip(("driven", "seen"), pins(emitted), strict=True):
            at = 0
            for name, width in widths.items():
                places.append(f".{name}({vector}[{at + width - 1}:{at}])")
                at += width
        folder.mkdir(exist_ok=True)
        sources = {"unit.v": text or emitted.text, **emitted.models}
        # of 96 bits at least, so that Verilator makes arrays of them
        sources["replay_top.v"] = f"""module replay_top (
  input clk, input [31:0] mutsel, input [{max(self._widths[0], 96) - 1}:0] driven,
  output [{max(self._widths[1], 96) - 1}:0] seen
);
  {emitted.config.top} unit ({", ".join(places)});
endmodule
"""
        for name, source in sources.items():
            (folder / name).write_text(source)
        self._program = verilate([folder / name for name in sources], MAIN, "replay_top", folder, short=True)

    def first_differences(self, rows, numbers=(0,)):
        """Per number at ``mutsel`` the first cycle in which an output is wrong, or -1."""
        file = self._folder / "program.bin"
        rows.tofile(file)
        command = [self._program, file, *map(str, (*self._widths, *numbers))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [int(line) for line in done.stdout.split()]
