"""From calibration to Verilog: activations, a format and a scale for them, the hardware, a check of the hardware.

    python examples/calibration_to_verilog.py -o my-encoder

runs four commands, as you would in a shell (each is printed as it begins; -h after it explains it):

1. ``capture`` runs a Mamba on text and keeps what its quantizer will see: the inputs of each layer's SSM.
2. ``calibrate`` finds, for each layer, the format's parameters and the scale with the least squared error.
3. ``gen`` writes the encoder of one layer: Verilog, a manifest that describes it, test vectors, a testbench.
4. ``compare --verilog`` compiles that very file with Verilator and sends it the activations: PyTorch, the golden model
   and the Verilog must agree in every bit.

Needs: pip install "qse-hw[model,sim]"
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from qse_hw.cli import main as qse_hw


def main() -> int:
    """The four commands, and a look at the manifest between the last two."""
    parser = argparse.ArgumentParser(description="From calibration to Verilog.")
    parser.error = lambda message: parser.exit(2, f"error: {message}\n")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder to write to")
    parser.add_argument("--model", metavar="DIR", help="a local Mamba checkpoint (default: the bundled model)")
    parser.add_argument("--tokens", metavar="N", default="256", help="how much text to run it on (default 256)")
    parser.add_argument("--layer", metavar="K", default="3", help="whose encoder to generate (default 3)")
    parser.add_argument("--format", metavar="F", default="se8", help="se8, se8-silu, tuned, ... (default se8)")
    args = parser.parse_args()
    folder = Path(args.output)
    activations, calibration, unit = folder / "activations.safetensors", folder / "calibration.json", folder / "encoder"

    # 1. For a real calibration take more tokens, of text like what the model will read (capture's --text FILE).
    run("capture", "--tokens", args.tokens, *(["--model", args.model] if args.model else []), "-o", activations)

    # 2. "se8" leaves L open, and "tuned" everything: how many segments, where they begin, which steps they have.
    run("calibrate", "--activations", activations, "--format", args.format, "-o", calibration)

    # 3. What the hardware gets is the model's bf16; four values per cycle. The scale is a constant of this encoder
    #    (--scale runtime would make it a port instead).
    run("gen", "encoder", "--input", "bf16", "--lanes", "4",
        "--calibration", calibration, "--layer", args.layer, "-o", unit)  # fmt: skip

    # The manifest has what you need to use the Verilog, and to read its codes, without this package.
    manifest = json.loads((unit / "manifest.json").read_text())
    scale, values = manifest["scale"], manifest["format"]["values"]
    fine = scale["step"] / 2 ** manifest["format"]["fraction_bits"]
    print(f"module {manifest['top']}: latency {manifest['latency']} cycles, {len(manifest['ports'])} ports, among them")
    for port in manifest["ports"]:
        if port["width"] > 1:
            print(f"  {port['direction']} [{port['width'] - 1}:0] {port['name']}: {port['meaning']}")
    print(f"scale: s = {scale['step']:.6g}, in hardware 1/s = {scale['M']} * 2**-{scale['k']}")
    print("codes stand for integers times s / 2**F, for example")
    for code, value in [*values.items()][:: len(values) // 4]:
        print(f"  code {code}: {value} * {fine:.6g} = {value * fine:.6g}")

    # 4. Differences would be named, the first with its place and its bits, and the exit status would be 1.
    run("compare", "--verilog", unit, "--activations", activations, "--json", folder / "compare.json")
    rows = json.loads((folder / "compare.json").read_text())["rows"]
    print(f"{sum(row['values'] for row in rows):,} comparisons, {sum(row['differences'] for row in rows)} differences")
    return 0


def run(*words: object) -> None:
    """``python -m qse_hw WORDS``; ends this program if the command fails, after its message."""
    command = [str(word) for word in words]
    print(f"\n$ python -m qse_hw {shlex.join(command)}", flush=True)
    status = qse_hw(command)
    if status:
        sys.exit(status)


if __name__ == "__main__":
    sys.exit(main())
