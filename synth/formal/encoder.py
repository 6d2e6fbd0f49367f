"""The function of an encoder, for all inputs: the format's definition (:mod:`qse_hw.synth.formal.nearest`)."""

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.formal import spec
from qse_hw.synth.formal.nearest import K_BITS, OUTPUTS, fraction_bits_of_position, nearest, position_width
from qse_hw.synth.formal.pipeline import at_output, input_ports, lanes, window
from qse_hw.synth.formal.task import Task
from qse_hw.synth.formal.verilog import instance, ports

ALL_M = 4
"""Bits of an M set at run time up to which the proof is for every M; beyond it is for three values."""
EVERY_K = 12
"""Bits of an input (significand and sign) up to which the proof is for every k."""


def watched(config: EncoderConfig) -> list[str]:
    """The input ports that are sampled with a beat."""
    return ["i__payload"] if config.scale is not None else ["i__payload", "scale_m", "scale_k"]


def saturating(config: EncoderConfig) -> tuple[bool, bool]:
    """Whether any input lies below, and whether any lies above, the range of the format."""
    if config.scale is None:
        return True, True
    ranges, (low, high) = spec.ranges(config.format, config.input, config.scale), spec.keys(config.input)
    return ranges.low > low, ranges.high <= high


def _judges(config: EncoderConfig, unit: Emitted) -> list[str]:
    """An instance of ``nearest`` per lane; wires ``lane_NAME`` for its outputs, a bit per lane; assumed scales."""
    scale = "" if config.scale is not None else ", .m(x_scale_m), .k(x_scale_k)"
    pins = {name: f"lane_{name}" for name in OUTPUTS}
    lines = [f"  wire [{config.lanes - 1}:0] {', '.join(pins.values())};", *_legal(config)]
    both = zip(
        lanes(unit, "x_i__payload", config.input.width), lanes(unit, "o__payload", config.format.bits), strict=True
    )
    for n, (x, code) in enumerate(both):
        outputs = ", ".join(f".{name}({wire}[{n}])" for name, wire in pins.items())
        lines.append(f"  nearest lane{n}(.x({x}), .code({code}){scale}, {outputs});")
    return lines


def _legal(config: EncoderConfig) -> list[str]:
    """Assumptions on the scale: a step from 2**-100 to 2**100, M with its top bit set; for wide M only some values."""
    if config.scale is not None:
        return []
    bits, power = config.scale_bits, 1 << (config.scale_bits - 1)
    if _one_scale(config):
        M, k = _multipliers(config)[0], _k(config)
        return [f"  always @* assume (x_scale_m == {bits}'d{M} && $signed(x_scale_k) == {k});"]
    some = " || ".join(f"x_scale_m == {bits}'d{M}" for M in _multipliers(config)) or f"x_scale_m[{bits - 1}]"
    return [
        "  wire signed [15:0] k = $signed(x_scale_k);",
        f"  wire finest = k == {bits - 101} && x_scale_m == {bits}'d{power};",
        f"  always @* assume (({some}) && k < {bits + 100} && (k >= {bits - 100} || finest));",
    ]


def _multipliers(config: EncoderConfig) -> list[int]:
    """The values of an M set at run time for which the proof is; none: all values."""
    bits = config.scale_bits
    if config.scale is not None or bits <= ALL_M:
        return []
    if _one_scale(config):
        return [round(2**bits / 3 * 2)]
    return [1 << (bits - 1), round(2**bits / 3 * 2), (1 << bits) - 1]


def _one_scale(config: EncoderConfig) -> bool:
    """Whether the proof is for a single scale set at run time, because products of two wide numbers are too hard."""
    input = config.input
    significand = input.width - input.exponent_bits if input.is_float else input.width
    return config.scale is None and config.scale_bits > ALL_M and significand > EVERY_K


def _k(config: EncoderConfig) -> int:
    """The k of the single scale; with fixed-point inputs it reaches every segment of 8-bit codes."""
    return config.scale_bits + (6 if config.input.is_float else config.input.width - 10)


def _limit(config: EncoderConfig) -> str:
    """The scales for which the proof is, if not all."""
    some = _multipliers(config)
    if _one_scale(config):
        return f"one scale: M {some[0]}, k {_k(config)}"
    return f"every k, {len(some)} M" if some else ""


def _with(config: EncoderConfig) -> str:
    some = _multipliers(config)
    if _one_scale(config):
        return f" Of the scales that can be set this is shown for one only: M = {some[0]}, k = {_k(config)}."
    return f" This is shown for every k, but not for every M: for {', '.join(map(str, some))}." if some else ""


def _definition(config: EncoderConfig) -> str:
    return nearest(config.format, config.input, config.scale, config.scale_bits)


def code(config: EncoderConfig, unit: Emitted) -> Task:
    """Every code is the nearest level's."""
    format = config.format
    levels = spec.levels(format)
    zero, least, most = (f"{format.bits}'d{code}" for code in (spec.zero_code(format), levels[0].code, levels[-1].code))
    ends = saturating(config)
    claims = []
    for n, given in enumerate(lanes(unit, "o__payload", format.bits)):
        claims += [
            f"    code_{n}: assert (lane_is_nan[{n}] || lane_right[{n}]);",
            f"    zero_{n}: assert (!lane_is_zero[{n}] || {given} == {zero});",
            *([f"    above_{n}: assert (!lane_above[{n}] || {given} == {most});"] if ends[1] else []),
            *([f"    below_{n}: assert (!lane_below[{n}] || {given} == {least});"] if ends[0] else []),
        ]
        if config.input.is_float:
            claims.append(f"    nan_{n}: assert (!lane_is_nan[{n}] || {given} == {zero});")
        if len(levels) < 1 << format.bits:
            claims.append(f"    canonical_{n}: assert (lane_canonical[{n}]);")
    return window(
        unit,
        name="code",
        claim="Every code is that of the level nearest to the number, ties and the ends as specified; zeros and NaN "
        "give the one code of 0; no redundant code is given." + _with(config),
        limit=_limit(config),
        watched=watched(config),
        watching=[*_judges(config, unit), at_output(unit, claims)],
        modules=_definition(config),
    )


def closest(config: EncoderConfig, unit: Emitted) -> Task:
    """No other level is nearer, by exact arithmetic on the number itself."""
    scale = config.scale
    bits = scale.bits if scale is not None else config.scale_bits
    pins = ".m(x_scale_m), .k(x_scale_k)"
    if scale is not None:
        pins = f".m({bits}'d{scale.M}), .k({K_BITS}'d{scale.k % (1 << K_BITS)})"
    wide = f"wire signed [{position_width(config.format, config.input, bits) - 1}:0]"
    lines, claims = [f"  (* anyconst *) wire [{config.format.bits - 1}:0] other;", *_legal(config)], []
    both = zip(
        lanes(unit, "x_i__payload", config.input.width), lanes(unit, "o__payload", config.format.bits), strict=True
    )
    for n, (x, given) in enumerate(both):
        of = f".x({x}), {pins}"
        lines += [
            f"  {wide} place{n}, value{n}, rival{n};",
            f"  wire is_nan{n}, known{n};",
            f"  nearest lane{n}({of}, .code({given}), .place(place{n}), .value(value{n}), .is_nan(is_nan{n}));",
            f"  nearest other{n}({of}, .code(other), .value(rival{n}), .canonical(known{n}));",
            f"  {wide} middle{n} = (value{n} + rival{n}) <<< {fraction_bits_of_position(config.input, bits)};",
            f"  wire inside{n} = rival{n} > value{n} ? place{n} <= middle{n} : place{n} >= middle{n};",
        ]
        claims.append(f"    closest_{n}: assert (is_nan{n} || !known{n} || rival{n} == value{n} || inside{n});")
    return window(
        unit,
        name="closest",
        claim="No other level is closer to the number than the code's: it lies on the code's side of their middle.",
        watched=watched(config),
        watching=[*lines, at_output(unit, claims)],
        modules=nearest(config.format, config.input, None, bits),
    )


def monotone(config: EncoderConfig, unit: Emitted) -> Task:
    """The larger of two numbers never gets the smaller value; in the same lane of two copies of the unit."""
    payload = ports(unit)["i__payload"]
    pins = {name: name for name in input_ports(unit)} | {"i__payload": "twin_payload"}
    scale = "" if config.scale is not None else ", .m(x_scale_m), .k(x_scale_k)"
    lines = [
        f"  (* anyconst *) wire [{payload - 1}:0] y_i__payload;",
        f"  wire [{payload - 1}:0] twin_payload = y_i__payload;",
        f"  wire [{ports(unit)['o__payload'] - 1}:0] twin_code;",
        "  wire twin_ready;",
        instance(unit, "twin", [], **pins, i__ready="twin_ready", o__payload="twin_code"),
        f"  always @* if (tick < {unit.latency}) assume (twin_ready);",
        *_legal(config),
    ]
    claims = []
    xs, ys = (lanes(unit, name, config.input.width) for name in ("x_i__payload", "y_i__payload"))
    codes = zip(
        lanes(unit, "o__payload", config.format.bits), lanes(unit, "twin_code", config.format.bits), strict=True
    )
    for n, (x, y, (of_x, of_y)) in enumerate(zip(xs, ys, codes, strict=True)):
        for name, number, given in (("a", x, of_x), ("b", y, of_y)):
            outputs = ", ".join(f".{out}({name}{n}_{out})" for out in ("value", "key", "is_nan"))
            lines += [
                f"  wire signed [{config.input.width}:0] {name}{n}_key;",
                f"  wire signed [31:0] {name}{n}_value;",
                f"  wire {name}{n}_is_nan;",
                f"  nearest {name}{n}(.x({number}), .code({given}){scale}, {outputs});",
            ]
        claims.append(
            f"    monotone_{n}: assert (a{n}_is_nan || b{n}_is_nan || a{n}_key > b{n}_key || a{n}_value <= b{n}_value);"
        )
    return window(
        unit,
        name="monotone",
        claim="Of two numbers the larger one never gets the smaller value.",
        watched=watched(config),
        watching=[*lines, at_output(unit, claims)],
        modules=_definition(config),
    )


def flags(config: EncoderConfig, unit: Emitted) -> Task:
    """Flags and counter count exactly the saturated values and NaNs that leave."""
    count, last = config.counter_width, unit.latency
    lines = [
        *_judges(config, unit),
        "  reg left, cleared, was_saturated, was_nan;",
        "  reg any_saturated, any_nan;",
        f"  wire [{config.lanes - 1}:0] beyond = lane_above | lane_below;",
        f"  always @(posedge clk) if (tick == {last}) begin",
        "    left <= o__valid && o__ready; cleared <= clear; was_saturated <= saturated; was_nan <= nan;",
        "    any_saturated <= |beyond; any_nan <= |lane_is_nan;",
        "  end",
    ]
    claims = [
        "    saturated_flag: assert (saturated == (left && any_saturated || was_saturated && !cleared));",
        "    nan_flag: assert (nan == (left && any_nan || was_nan && !cleared));",
    ]
    if count:
        width = max(count, config.lanes.bit_length()) + 1
        lines += [
            f"  reg [{width - 1}:0] was_count, events;",
            f"  wire [{width - 1}:0] from = cleared ? {width}'d0 : was_count;",
            f"  wire [{width - 1}:0] sum = left ? from + events : from;",
            f"  wire [{width - 1}:0] limit = {width}'d{(1 << count) - 1};",
            f"  always @(posedge clk) if (tick == {last}) begin",
            "    was_count <= saturation_count;",
            f"    events <= {' + '.join(f'beyond[{n}]' for n in range(config.lanes))};",
            "  end",
        ]
        claims.append("    counter: assert (saturation_count == (sum > limit ? limit : sum));")
    return window(
        unit,
        name="flags",
        claim="The sticky flags and the counter tell of exactly the values beyond the last level's range and the NaNs "
        "that have left since they were cleared; the counter stops at its maximum." + _with(config),
        limit=_limit(config),
        watched=watched(config),
        watching=[*lines, at_output(unit, claims, beyond=1)],
        modules=_definition(config),
        beyond=1,
    )
