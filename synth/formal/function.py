"""What encoder, decoder, quantizer and function unit compute, for all inputs; a fault for each property at least."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.synth.formal import decoder, encoder, function_unit, quantizer, spec, stall
from qse_hw.synth.formal.pipeline import alone
from qse_hw.synth.formal.task import Fault, Task
from qse_hw.synth.formal.verilog import emitted, ports, tapped

_SMALL = 16
"""Bits of inputs up to which ``closest`` and ``monotone`` are proved, too, for one lane; beyond only ``code``."""


def tasks(config: UnitConfig) -> list[Task]:
    """The function of an encoder, a decoder, a quantizer or a function unit."""
    if isinstance(config, EncoderConfig):
        unit = emitted(config)
        chosen = [stall.hold(unit), encoder.code(config, unit), encoder.flags(config, unit)]
        if config.scale is not None and config.input.width <= _SMALL and config.lanes == 1:
            chosen.append(encoder.monotone(config, unit))
            if not any(segment.exact_end for segment in config.format.segments):  # its codes are not always the nearest
                chosen.append(encoder.closest(config, unit))
        return chosen
    if isinstance(config, DecoderConfig):
        unit = emitted(config)
        return [stall.hold(unit), decoder.value(config, unit)]
    if isinstance(config, FunctionConfig):
        unit = emitted(config)
        return [stall.hold(unit), function_unit.value(config, unit)]
    if isinstance(config, QuantizerConfig):
        unit = quantizer.with_probes(emitted(config), config)
        return [quantizer.parameters(config, unit), stall.hold(emitted(config)), quantizer.code(config, unit)]
    return []


def faults(config: UnitConfig) -> list[Fault]:
    """Faulty units: a wrong constant, an input or a code replaced by another, a lost flag."""
    proved = {task.name for task in tasks(config)}
    if isinstance(config, EncoderConfig):
        return [fault for fault in _encoder_faults(config) if fault.task.name in proved]
    if isinstance(config, DecoderConfig):
        return list(_decoder_faults(config))
    if isinstance(config, FunctionConfig):
        return list(_function_faults(config))
    return list(_quantizer_faults(config)) if isinstance(config, QuantizerConfig) else []


def _caught(label: str, name: str, task: Task) -> Fault:
    """A fault that the assertion ``label`` catches alone."""
    return Fault(name=name, task=alone(task, label), catches=label)


def _encoder_faults(config: EncoderConfig) -> Iterator[Fault]:
    unit, codes = emitted(config), spec.levels(config.format)
    yield from stall.faults(unit)
    for name, wrong in _other_constants(config):
        yield _caught("code_0", name, encoder.code(config, emitted(wrong)))
        if wrong.format == config.format:
            yield _caught("closest_0", name, encoder.closest(config, emitted(wrong)))

    def fault(name: str, taps: Mapping[str, str], of: Callable[[EncoderConfig, Emitted], Task], label: str) -> Fault:
        return _caught(label, name, of(config, replace(unit, text=tapped(unit, taps))))

    def given(code: int, instead: int) -> dict[str, str]:
        return {"o__payload": _swap(unit, config.format.bits, code, instead, "o__payload", "inner_")}

    def taken(key: int, instead: int) -> dict[str, str]:
        bits, other = spec.pattern(key, config.input), spec.pattern(instead, config.input)
        return {"i__payload": _swap(unit, config.input.width, bits, other, "i__payload")}

    ranges = None if config.scale is None else spec.ranges(config.format, config.input, config.scale)
    _, high = spec.keys(config.input)
    reached = [level.code for level in codes if ranges is None or level.code in ranges.keys]
    below, above = encoder.saturating(config)
    if above:
        yield fault("the largest code is the one before", given(reached[-1], reached[-2]), encoder.code, "above_0")
    if below:
        yield fault("the smallest code is the one after", given(reached[0], reached[1]), encoder.code, "below_0")
    zero = spec.zero_code(config.format)
    near = next(code for code in reached if code != zero)
    yield fault(f"zero becomes code {near}", given(zero, near), encoder.code, "zero_0")
    redundant = sorted(set(range(1 << config.format.bits)) - {level.code for level in codes})
    if redundant:
        yield fault("a redundant code is given", given(zero, redundant[-1]), encoder.code, "canonical_0")
    yield fault("a code is taken for the highest", given(reached[0], reached[-1]), encoder.monotone, "monotone_0")
    if below or above:
        yield fault("saturation is not told", {"saturated": "1'b0"}, encoder.flags, "saturated_flag")
    else:
        yield fault("saturation is told", {"saturated": "1'b1"}, encoder.flags, "saturated_flag")
    if config.input.is_float:
        yield fault("NaN is taken for infinity", _nan_is(config, unit, high), encoder.code, "nan_0")
        yield fault("NaN is not told", {"nan": "1'b0"}, encoder.flags, "nan_flag")
    else:
        yield fault("NaN is told", {"nan": "1'b1"}, encoder.flags, "nan_flag")
    if config.counter_width:
        one = {"saturation_count": f"{config.counter_width}'d1"}
        yield fault("the counter is stuck at 1", one, encoder.flags, "counter")
    if ranges is not None:
        name, key = _tie(config)
        yield fault(name, taken(key, key - 1), encoder.code, "code_0")
        if above:
            late = taken(ranges.high, ranges.high - 1)
            yield fault("the first number that saturates does not", late, encoder.flags, "saturated_flag")


def _other_constants(config: EncoderConfig) -> Iterator[tuple[str, EncoderConfig]]:
    """The unit for a slightly different scale or format, if any input gets another code then."""
    for name, other in _nearly(config):
        if config.scale is None or other.scale is None or _keys(config) != _keys(other):
            yield name, other


def _keys(config: EncoderConfig) -> dict[int, tuple[int, int]]:
    assert config.scale is not None
    return spec.ranges(config.format, config.input, config.scale).keys


def _nearly(config: EncoderConfig) -> Iterator[tuple[str, EncoderConfig]]:
    if config.scale is not None:
        M = config.scale.M
        other = M + 1 if (M + 1) >> config.scale.bits == 0 else M - 1
        if other >> (config.scale.bits - 1):
            yield f"M is {other}", replace(config, scale=replace(config.scale, M=other))
    first, *rest = config.format.segments
    if rest and first.codes > 2:
        shorter = (replace(first, codes=first.codes - 1), *rest)
        try:
            moved = replace(config.format, segments=shorter, aliases=())
        except InputError:  # its zero would not be exact
            return
        yield "the first segment is a code shorter", replace(config, format=moved)


def _tie(config: EncoderConfig) -> tuple[str, int]:
    """An input exactly in the middle of two levels, if there is one; else the smallest input of some code."""
    assert config.scale is not None
    ends = spec.keys(config.input)
    first = [(cut, spec.first_key(cut, config.input, config.scale)) for cut in spec.cuts(config.format)[1:-1]]
    inside = [(cut, key) for cut, key in first if cut.at > 0 and ends[0] < key < ends[1]]
    for cut, key in inside:
        if cut.belongs and spec.number(key, config.input) * config.scale.M == cut.at * Fraction(2) ** config.scale.k:
            return "a tie goes down", key
    return "a number goes to the code below", inside[0][1]


def _swap(unit: Emitted, width: int, value: int, instead: int, port: str, prefix: str = "") -> str:
    """An expression for the port with ``value`` replaced by ``instead`` in lane 0."""
    whole, name = ports(unit)[port], prefix + port
    low = f"{name}[{width - 1}:0]"
    lane = f"({low} == {width}'d{value} ? {width}'d{instead} : {low})"
    return f"{{{name}[{whole - 1}:{width}], {lane}}}" if whole > width else lane


def _nan_is(config: EncoderConfig, unit: Emitted, instead: int) -> dict[str, str]:
    width = config.input.width
    whole, size = ports(unit)["i__payload"], f"i__payload[{width - 2}:0]"
    lane = f"({size} > {width - 1}'d{spec.keys(config.input)[1]} ? {width}'d{instead} : i__payload[{width - 1}:0])"
    return {"i__payload": f"{{i__payload[{whole - 1}:{width}], {lane}}}" if whole > width else lane}


def _decoder_faults(config: DecoderConfig) -> Iterator[Fault]:
    unit = emitted(config)
    yield from stall.faults(unit)
    accepted = spec.decoded(config.format)
    code, other = (level.code for level in spec.levels(config.format)[:2])
    wrong = [("a code is taken for another", _swap(unit, config.format.bits, code, other, "i__payload"))]
    redundant = sorted(set(accepted) - {level.code for level in spec.levels(config.format)})
    if redundant:
        instead = next(code for code in accepted if accepted[code] != accepted[redundant[0]])
        swap = _swap(unit, config.format.bits, redundant[0], instead, "i__payload")
        wrong.append(("a redundant code is taken for another", swap))
    for name, tap in wrong:
        task = decoder.value(config, replace(unit, text=tapped(unit, {"i__payload": tap})))
        yield _caught("value_0", name, task)
    flag = "1'b0" if len(accepted) < 1 << config.format.bits else "1'b1"
    task = decoder.value(config, replace(unit, text=tapped(unit, {"invalid": flag})))
    yield _caught("invalid_flag", "the flag is stuck", task)


def _function_faults(config: FunctionConfig) -> Iterator[Fault]:
    unit = emitted(config)
    yield from stall.faults(unit)
    width = config.output.width
    # 2 steps more for one input alone: the one at which the output is nearest to the largest that is allowed
    rows = [row for row in function_unit.limits(config) if config.arithmetic.low <= row[0] <= config.arithmetic.high]
    x, _, most = min(rows, key=lambda row: row[2] - config.arithmetic(row[0]))
    given = config.arithmetic(x)
    wrong = _swap(unit, width, given % (1 << width), (most + 1) % (1 << width), "o__payload", "inner_")
    task = function_unit.value(config, replace(unit, text=tapped(unit, {"o__payload": wrong})))
    yield _caught("value_0", f"output {given} becomes {most + 1}", task)
    whole = config.arithmetic.high - config.arithmetic.low + 1 == 1 << config.input.width
    task = function_unit.value(config, replace(unit, text=tapped(unit, {"saturated": "1'b1" if whole else "1'b0"})))
    yield _caught("saturated_flag", "the flag is stuck", task)


def _quantizer_faults(config: QuantizerConfig) -> Iterator[Fault]:
    yield from stall.faults(emitted(config))
    unit = quantizer.with_probes(emitted(config), config)
    other = replace(config, scale=replace(config.scale, M=config.scale.M ^ 1))
    wrong = quantizer.with_probes(emitted(other), other)
    yield Fault(name=f"M is {other.scale.M}", task=quantizer.parameters(config, wrong), catches="stays")
    levels = spec.levels(config.format)
    width, zero = config.format.bits, spec.zero_code(config.format)
    near = next(level.code for level in levels if level.code != zero)

    def given(code: int, instead: int) -> str:
        return _swap(unit, width, code, instead, "m_axis_tdata", "inner_")

    for name, taps, label in (
        (f"code {near} is taken for 0", {"m_axis_tdata": given(near, zero)}, "code_0"),
        (f"zero becomes code {near}", {"m_axis_tdata": given(zero, near)}, "nan_0"),
        ("nothing leaves", {"m_axis_tvalid": "1'b0"}, "leaves"),
    ):
        yield _caught(label, name, quantizer.code(config, replace(unit, text=tapped(unit, taps))))
