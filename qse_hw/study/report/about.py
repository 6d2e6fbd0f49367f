"""What the unit is, its ports and parameters, when an answer comes, how to instantiate it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.study.report.html import Html, code, join, listing, paragraph, section, table, tag

WORDS = {
    "encoder": "It takes numbers and gives codes of the format below: one multiplication, one rounding. It notices "
    "values beyond the format's reach, and NaNs.",
    "decoder": "It takes codes of the format below and gives integers in fine steps, exact. Times the fine step they "
    "are the numbers that the codes stand for.",
    "linear": "It multiplies a vector of codes of the format below by a matrix of INT8 weights, adds biases, and "
    "requantizes the sums.",
    "hadamard": "It multiplies vectors by a Hadamard matrix, as fast as they come in.",
    "function": "It gives the values of a function, each within an error bound that every input was checked for.",
    "convolution": "It convolves every channel of a stream with INT8 taps over time, and requantizes the sums to 16 "
    "bits. Past inputs and parameters are in its memories.",
    "rmsnorm": "It divides each vector by the root of its mean square and gives codes of the format below.",
    "scan": "It is the recurrence of a Mamba-1: it decays every channel's states, adds what flows in, and gives their "
    "weighted sum. States and parameters are in its memories.",
    "matvec": "It multiplies vectors, which wait in its buffers, by matrices of INT8 weights that are streamed in, one "
    "job after the other, and gives every row's sum.",
    "argmax": "It finds the largest of a token's logits, and where it is.",
    "residual": "It keeps a token's residual stream in memory and adds vectors to it, saturated.",
    "time_step": "It adds a bias to each channel's dt and gives softplus of the sum: the time steps of a scan.",
    "activation": "It takes numbers and gives codes, of the format below, of their SiLU, and beside each the integer "
    "in fine steps that it stands for.",
    "gate": "It multiplies numbers by SiLU of their gates, which have a stream of their own, and requantizes the "
    "products to 16 bits.",
    "quantizer": "It is an encoder with AXI4-Stream ports for the data and AXI4-Lite registers, in which scale, zero "
    "point and the segments' lengths are set while it runs.",
}


def section_about(config: UnitConfig, manifest: Mapping[str, Any]) -> Html:
    """The section.

    Args:
        config: the unit.
        manifest: of :func:`qse_hw.rtl_gen.emit.emit.manifest`.
    """
    ports = manifest["ports"]
    rows = [
        [code(port["name"]), port["direction"], port["meaning"] + ", signed" * port["signed"], str(port["width"])]
        for port in ports
    ]
    parameters = [[name, _parameter(name, value)] for name, value in manifest["parameters"].items()]
    return section(
        "about",
        "What it is",
        paragraph(WORDS[config.unit]),
        paragraph(
            f"One clock, one synchronous reset. Latency: {manifest['latency']} cycles from an accepted beat to its "
            f"answer, if nothing stalls. Initiation interval: {manifest['initiation_interval']:g}, the cycles from one "
            "input beat to the next. A beat passes in a cycle in which both valid and ready are 1."
        ),
        table("Ports", ["port", "direction", "meaning", "bits"], rows, left=3),
        table("Parameters", ["parameter", "value"], parameters, left=2),
        tag("h3", "Instantiating it"),
        listing(instance(config.top, ports)),
    )


def instance(top: str, ports: Sequence[Mapping[str, Any]]) -> str:
    """Verilog that instantiates a module, every port to a wire of its name."""
    pins = ",\n".join(f"    .{port['name']}({port['name']})" for port in ports)
    return f"{top} unit (\n{pins}\n);"


def _parameter(name: str, value: Any) -> str:
    if name == "format":
        what = f"{value['name']}, {value['bits']} bits, {value['kind']}, {len(value['segments'])} segments"
        return join((what, tag("a", "see below", href="#format")), "; ")
    if name == "scale" and isinstance(value, Mapping):
        return str(Scale(**value))
    if name == "pipeline" and value is None:
        return "the target's usual registers"
    return value if isinstance(value, str) else json.dumps(value)
