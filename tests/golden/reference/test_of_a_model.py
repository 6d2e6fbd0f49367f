"""The references of the pointwise units on what an integer model's tensors hold, layer by layer and token by token."""

import numpy as np

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.taps import Taps
from qse_hw.golden.reference.activation import activate
from qse_hw.golden.reference.argmax import argmax
from qse_hw.golden.reference.gate import gated
from qse_hw.golden.reference.residual import accumulate
from qse_hw.golden.reference.time_step import Parameters, pack_parameters, sum_scalar, time_steps, unpack_parameters
from tests.golden.models.integer import small


def test_every_value_of_a_few_tokens():
    model = IntegerMamba.of(small.model(), small.formats(local_bits=16))
    taps, states, layers = Taps(model), model.start(1), model.parameters.layers
    for token in small.text().tolist()[:6]:
        logits = model.forward(np.array([[token]]), states)
        seen = taps.take()
        for number, layer in enumerate(layers):
            tensor = {name: values for (where, name), values in seen.items() if where == number}
            formats = layer.formats
            x = activate(tensor["conv_sum"], layer.silu.core, layer.x_scale, formats.x.format)
            np.testing.assert_array_equal(x.values, tensor["x"])

            parameters = Parameters(layer.dt_shift, layer.dt_bias)
            words = pack_parameters(parameters, width=16, lanes=1)
            assert [part.tolist() for part in unpack_parameters(words.words, 16)] == [
                part.tolist() for part in parameters
            ]
            rows = zip(tensor["dt"].tolist(), parameters.places.tolist(), parameters.bias.tolist(), strict=True)
            assert [sum_scalar(*row, 16).value for row in rows] == tensor["dt_sum"].tolist()
            steps, _ = time_steps(tensor["dt"], parameters, layer.softplus.core)
            np.testing.assert_array_equal(steps, layer.softplus.array(tensor["dt_sum"]))

            shift = np.full(len(tensor["scan"]), layer.gated_shift)
            values, _ = gated(tensor["scan"], tensor["gate"], shift, layer.silu_gate.core)
            np.testing.assert_array_equal(values, tensor["gated"])
            assert (layer.silu.shift, layer.silu_gate.shift, layer.softplus.shift) == (0, 0, 0)
        added = np.stack([seen[None, "residual"], *(seen[n, "out"] for n in range(len(layers)))])
        load = np.zeros(added.shape, np.bool_)
        load[0] = True
        residual, _ = accumulate(added, load, 24)
        np.testing.assert_array_equal(residual[1:], [seen[n, "residual"] for n in range(len(layers))])
        index, largest = argmax(seen[None, "logits"][None])
        assert (index[0], largest[0]) == (logits.argmax(), logits.max())
