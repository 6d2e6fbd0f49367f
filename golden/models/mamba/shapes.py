"""The sizes of the published models, for measurements that need no trained weights."""

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Config, MambaConfig

_MAMBA = {"130m": (768, 24), "370m": (1024, 48), "790m": (1536, 48), "1.4b": (2048, 48), "2.8b": (2560, 64)}
_MAMBA2 = {"130m": (768, 24), "370m": (1024, 48), "780m": (1536, 48), "1.3b": (2048, 48), "2.7b": (2560, 64)}

SHAPES: dict[str, Config] = {
    **{f"mamba-{name}": MambaConfig(d_model=m, n_layer=n, vocab_size=50280) for name, (m, n) in _MAMBA.items()},
    **{f"mamba2-{name}": Mamba2Config(d_model=m, n_layer=n, vocab_size=50288) for name, (m, n) in _MAMBA2.items()},
}
"""By the names of ``state-spaces``' checkpoints: Gu and Dao 2023, table 12; Dao and Gu 2024, section 9."""


RANDOM = "random:"


def is_random(model: object) -> bool:
    """Whether ``random:NAME`` is given, a published shape with random weights, instead of a checkpoint."""
    return str(model).startswith(RANDOM)


def shape(name: str) -> Config:
    """The sizes of a published model; InputError for an unknown name."""
    if name not in SHAPES:
        raise InputError(f"Shape must be one of {', '.join(SHAPES)}, not {name!r}")
    return SHAPES[name]
