"""The function of the quantizer with buses, with the format and the scale that it has after a reset.

The data path is proved as the encoder's is (:mod:`qse_hw.synth.formal.pipeline`), for arbitrary contents of all
registers except the effective parameters, which have their initial values; another property is that they keep them
while software writes nothing. The consumer is always ready here: :mod:`qse_hw.synth.formal.stream_quantizer` covers
stalls, resets and other parameters.
"""

from dataclasses import replace

from qse_hw.rtl_gen.bus.axi_stream import bytes_of
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.lane.format_family import FormatFamily
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.synth.formal import spec
from qse_hw.synth.formal.harness import probed
from qse_hw.synth.formal.nearest import K_BITS, nearest
from qse_hw.synth.formal.pipeline import DUT, FRAME, MOVING, TOP, input_ports
from qse_hw.synth.formal.task import Task
from qse_hw.synth.formal.verilog import declared, instance, ports

_KEPT = "qse_quantizer_apply"  # the module whose registers are the effective parameters


def _probes(config: QuantizerConfig) -> dict[str, int]:
    regions = FormatFamily.of(config.format).layout.size
    return {"scale_m": config.scale.bits, "scale_k": K_BITS, "bypass": 1, "soft_reset": 1, "regions": regions}


def with_probes(unit: Emitted, config: QuantizerConfig) -> Emitted:
    """The unit with its effective parameters as further outputs, ``probe_NAME``."""
    probes = _probes(config)
    more = tuple({"name": f"probe_{name}", "direction": "output", "width": width} for name, width in probes.items())
    return replace(unit, text=probed(unit.text, config.top, probes), ports=(*unit.ports, *more))


def _frame(config: QuantizerConfig, unit: Emitted, watching: list[str], modules: str = "") -> dict[str, str]:
    """The files: the unit and its harness.

    The wire ``effective`` is whether its parameters are those after a reset; the format's constants are compared with
    those in the first cycle.
    """
    widths, inputs, probes = ports(unit), input_ports(unit), _probes(config)
    outputs = [name for name in widths if name not in inputs and not name.startswith("probe_")]
    pins = {f"probe_{name}": name for name in probes}
    frame = [
        f"module {TOP}({', '.join(f'input [{widths[port] - 1}:0] {port}' for port in inputs)});",
        declared(unit, outputs),
        *(f"  wire [{width - 1}:0] {name};" for name, width in probes.items()),
        instance(unit, "unit", [*inputs, *outputs], **pins),
        f"  reg begun = 0; reg [{probes['regions'] - 1}:0] initially;",
        "  always @(posedge clk) begin begun <= 1; if (!begun) initially <= regions; end",
        f"  wire effective = scale_m == {config.scale.bits}'d{config.scale.M} && !bypass && !soft_reset",
        f"    && scale_k == {K_BITS}'d{config.scale.k % (1 << K_BITS)} && (!begun || regions == initially);",
        *watching,
        "endmodule",
        "",
    ]
    return {DUT: unit.text, **unit.models, FRAME: modules + "\n".join(frame)}


def parameters(config: QuantizerConfig, unit: Emitted) -> Task:
    """Parameters do not change without writes; ``unit``: of :func:`with_probes`."""
    watching = [
        "  always @* assume (!s_axi_awvalid && !s_axi_wvalid);",
        "  always @* stays: assert (effective);",
    ]
    return Task(
        name="parameters",
        claim="While software writes nothing, the effective scale is the one of the configuration, the format's "
        "constants are those after a reset, and there is neither bypass nor soft reset.",
        mode="prove",
        files=_frame(config, unit, watching),
        top=TOP,
        engine="abc pdr",
    )


def code(config: QuantizerConfig, unit: Emitted) -> Task:
    """Every code is the nearest level's; ``unit``: of :func:`with_probes`."""
    widths, format, input = ports(unit), config.format, config.input
    size, out = 8 * bytes_of(input.width), 8 * bytes_of(format.bits)
    zero = f"{format.bits}'d{spec.zero_code(format)}"
    keeps = widths["s_axis_tkeep"] // config.lanes
    lines = [
        f"  (* anyconst *) wire [{widths['s_axis_tdata'] - 1}:0] x;",
        f"  (* anyconst *) wire [{widths['s_axis_tkeep'] - 1}:0] keep;",
        "  reg [7:0] tick = 0;",
        f"  always @(posedge clk) if (tick != {unit.latency + 1}) tick <= tick + 1;",
        "  always @* begin",
        "    assume (!rst && m_axis_tready && effective);",
        "    if (tick == 0) assume (s_axis_tvalid && s_axis_tready && s_axis_tdata == x && s_axis_tkeep == keep);",
        "  end",
    ]
    claims = []
    for n in range(config.lanes):
        lines += [
            f"  wire right{n}, is_nan{n};",
            f"  wire [{format.bits - 1}:0] code{n} = m_axis_tdata[{out * n + format.bits - 1}:{out * n}];",
            f"  wire kept{n} = &keep[{keeps * (n + 1) - 1}:{keeps * n}];",
            f"  nearest lane{n}(.x(x[{size * n + input.width - 1}:{size * n}]), .code(code{n}), .right(right{n}), "
            f".is_nan(is_nan{n}));",
        ]
        claims += [
            f"      code_{n}: assert (!kept{n} || is_nan{n} || right{n});",
            f"      nan_{n}: assert (kept{n} && !is_nan{n} || code{n} == {zero});",
        ]
    lines += ["  always @* begin", f"    if (tick == {unit.latency}) begin", "      leaves: assert (m_axis_tvalid);"]
    return Task(
        name="code",
        claim="With the format and the scale after a reset every code is that of the nearest level, ties and ends as "
        "specified; NaN and lanes that are not kept give the code of 0.",
        mode="bmc",
        files=_frame(config, unit, [*lines, *claims, "    end", "  end"], nearest(format, input, config.scale, 16)),
        top=TOP,
        engine="smtbmc z3",
        depth=unit.latency + 1,
        argument=MOVING.format(unit.latency),
        script=f"hierarchy -top {TOP}\nproc\nsetattr -unset init {TOP} {_KEPT} %u %n",
    )
