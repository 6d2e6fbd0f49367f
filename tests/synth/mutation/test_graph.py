"""And-inverter graphs against truth tables."""

import random
from itertools import product

import pytest

from qse_hw.synth.mutation.graph import Graph
from qse_hw.synth.mutation.netlist import GATES


def value(graph, literal, inputs):
    """Of a literal, by the values of the inputs."""
    node = dict(zip(graph.inputs, inputs, strict=True)) | {0: 0}
    for target, (a, b) in graph.ands.items():
        node[target] = (node[a & ~1] ^ a & 1) & (node[b & ~1] ^ b & 1)
    return node[literal & ~1] ^ literal & 1


@pytest.mark.parametrize("kind", GATES)
def test_gates(kind):
    """Every type, on constants and on inputs, against its truth table."""
    tables = {
        "$_NOT_": lambda a, b, s: 1 - a, "$_AND_": lambda a, b, s: a & b, "$_OR_": lambda a, b, s: a | b,
        "$_XOR_": lambda a, b, s: a ^ b, "$_XNOR_": lambda a, b, s: 1 - (a ^ b),
        "$_MUX_": lambda a, b, s: b if s else a,
    }  # fmt: skip
    graph = Graph()
    literals = [0, 1, *(graph.input() for _ in range(3))]
    literals += [literal ^ 1 for literal in literals[2:]]
    for pins in product(literals, repeat=3):
        made = graph.gate(GATES.index(kind), *pins)
        for values in product((0, 1), repeat=3):
            assert value(graph, made, values) == tables[kind](*(value(graph, pin, values) for pin in pins))


@pytest.mark.parametrize("seed", range(60))
def test_what_a_literal_needs_is_put_in(seed):
    """Random graphs of six inputs: the other literal can be true if and only if the first can."""
    draw, graph = random.Random(seed), Graph()
    literals = [graph.input() for _ in range(6)]
    for _ in range(25):
        a, b = (literal ^ draw.randrange(2) for literal in draw.sample(literals[-9:], 2))
        literals.append(graph.and_(a, b) if draw.random() < 0.7 else graph.xor(a, b))
    first = graph.and_(graph.and_(literals[-1], literals[-2]), literals[0] ^ draw.randrange(2))
    other = graph.propagated(first)
    can = {which: any(value(graph, which, given) for given in product((0, 1), repeat=6)) for which in (first, other)}
    assert can[first] == can[other]


def test_what_a_literal_needs_makes_it_smaller():
    """A product that counts while a bit is 0 that it is multiplied by: nothing is left of it."""
    graph = Graph()
    a, b, c = (graph.input() for _ in range(3))
    assert graph.propagated(graph.and_(a ^ 1, graph.and_(a, graph.or_(b, c)))) == 0
    rest = graph.propagated(graph.and_(a ^ 1, graph.or_(graph.and_(a, b), c)))
    assert rest == 1  # c is what it needs to be
    assert graph.propagated(0) == 0
    assert graph.propagated(1) == 1
