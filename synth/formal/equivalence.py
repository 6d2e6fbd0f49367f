"""Equivalence of the paper's architecture (``--arch parallel``) and the one with a single multiplier (``fused``)."""

import re
from dataclasses import replace

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.formal import spec
from qse_hw.synth.formal.encoder import saturating
from qse_hw.synth.formal.pipeline import at_output, input_ports, window
from qse_hw.synth.formal.task import Fault, Task
from qse_hw.synth.formal.verilog import emitted, instance, ports, tapped


def tasks(config: UnitConfig) -> list[Task]:
    """The proof for an encoder with a constant scale; ``parallel`` supports no other."""
    if not isinstance(config, EncoderConfig) or config.scale is None:
        return []
    fused, parallel = (emitted(replace(config, arch=arch)) for arch in ("fused", "parallel"))
    return [equivalent(fused, parallel)]


def faults(config: UnitConfig) -> list[Fault]:
    """Pairs in which one encoder has a wrong code or flag."""
    if not isinstance(config, EncoderConfig) or config.scale is None:
        return []
    fused, parallel = (emitted(replace(config, arch=arch)) for arch in ("fused", "parallel"))
    width = ports(parallel)["o__payload"]
    one, other, *_ = spec.ranges(config.format, config.input, config.scale).keys
    swapped = f"inner_o__payload == {width}'d{one} ? {width}'d{other} : inner_o__payload"
    taps = {"same_code": (f"parallel takes code {one} for {other}", {"o__payload": swapped})}
    for label, flag, happens in (
        ("same_saturated", "saturated", any(saturating(config))),
        ("same_nan", "nan", config.input.is_float),
    ):
        taps[label] = (f"parallel {'never' if happens else 'always'} tells {flag}", {flag: f"1'b{int(not happens)}"})
    return [
        Fault(name=name, task=equivalent(fused, replace(parallel, text=tapped(parallel, tap))), catches=label)
        for label, (name, tap) in taps.items()
    ]


def equivalent(one: Emitted, other: Emitted) -> Task:
    """Two encoders give the same codes and flags, whatever their latencies."""
    widths, top = ports(other), f"other_{other.config.top}"
    names = [name for name in ("o__payload", "saturated", "nan") if name in widths]
    lines = [
        *(f"  wire [{widths[name] - 1}:0] other_{name};" for name in names),
        "  wire other_ready, other_valid;",
        instance(
            other,
            "other",
            input_ports(other),
            i__ready="other_ready",
            o__valid="other_valid",
            **{name: f"other_{name}" for name in names},
        ).replace(other.config.top, top, 1),
        # so the flags after a beat are those of this beat alone
        "  always @* assume (i__valid && o__ready && clear);",
    ]
    last = max(one.latency, other.latency)
    for unit, prefix in ((one, ""), (other, "other_")):
        lines.append(f"  reg [{widths['o__payload'] - 1}:0] {prefix}code; reg {prefix}was_saturated, {prefix}was_nan;")
        lines += [
            f"  always @(posedge clk) if (tick == {unit.latency}) {prefix}code <= {prefix}o__payload;",
            f"  always @(posedge clk) if (tick == {unit.latency + 1}) begin",
            f"    {prefix}was_saturated <= {prefix}saturated; {prefix}was_nan <= {prefix}nan;",
            "  end",
        ]
    claims = [
        "    same_code: assert (code == other_code);",
        "    same_saturated: assert (was_saturated == other_was_saturated);",
        "    same_nan: assert (was_nan == other_was_nan);",
    ]
    later = last + 2
    task = window(
        one,
        name="equivalent",
        claim="The encoder with one multiplier and the one with a quantizer per segment give the same code for every "
        "input, and tell of saturation and NaN alike.",
        watched=["i__payload"],
        watching=[*lines, at_output(one, claims, beyond=later - one.latency)],
        beyond=later - one.latency,
    )
    renamed = re.sub(rf"\b{other.config.top}", top, other.text)
    return replace(
        task,
        files={
            "unit.v": one.text,
            "other.v": renamed,
            **one.models,
            **other.models,
            **{name: text for name, text in task.files.items() if name.endswith(".sv")},
        },
    )
