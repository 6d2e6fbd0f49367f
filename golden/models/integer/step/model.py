"""The integer model one token at a time, bit-exact with :mod:`qse_hw.golden.models.integer.scalar`.

Sizes: sequences b, ``d_model`` m.
"""

from qse_hw.golden.models.integer.mamba2.parameters import Mamba2Layer
from qse_hw.golden.models.integer.parameters import Parameters
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated
from qse_hw.golden.models.integer.step import mamba1, mamba2
from qse_hw.golden.models.integer.step.program import Program, Vector


class StepModel:
    """The state of ``sequences`` sequences, each updated token by token. Its memory cannot be copied, nor moved.

    Args:
        parameters: the model's integers.
        sequences: that have a state.

    Attributes:
        memories: of the layers.

    Raises:
        InputError: without a C++ compiler, or if a Hadamard transform does not fit into 32 bits.
    """

    def __init__(self, parameters: Parameters, sequences: int = 1) -> None:
        self.parameters, formats = parameters, parameters.formats
        program = self._program = Program(sequences)
        stream = program.embed(parameters.embedding, formats.residual)
        self.memories = []
        for number, layer in enumerate(parameters.layers):
            program.layer = number
            if isinstance(layer, Mamba2Layer):
                memory = mamba2.add_layer(program, number, layer, formats.residual, stream)
            else:
                memory = mamba1.add_layer(program, number, layer, formats.residual, stream)
            self.memories.append(memory)
        program.layer = None
        hidden = program.normalize("norm_f", parameters.norm_f, stream, formats.norm_f)
        self._logits = program.product("logits", parameters.head, hidden, formats.logits)

    def __reduce__(self) -> str:
        raise TypeError("A StepModel cannot be copied: its operations hold addresses of its memory")

    @property
    def saturated(self) -> Saturated:
        """How often each tensor's values saturated."""
        return self._program.saturated

    def step(self, token: int, sequence: int = 0) -> Vector:
        """Logits int32 (vocab_size), in units of their type, after one more token of a sequence.

        The next step overwrites them. Both arguments must be in range.
        """
        self._program.run(token, sequence)
        return self._logits

    def reset(self) -> None:
        """The empty state of every sequence."""
        for memory in self.memories:
            memory.reset()
