"""The families of ``transformers`` that have Mamba layers: what each calls its parts, and where its mixers are.

One description per family, and nothing of a family's arithmetic: its mixers call functions of their module, by which
x is seen, and its layers are run as its own model runs them. So norms on dt, B and C (Falcon-Mamba, Jamba), groups of
the gated norm, limits of time steps and multipliers (Granite, Falcon-H1) stay transformers' own.
"""

import sys
from dataclasses import dataclass
from typing import Any

from torch import nn

from qse_hw.golden.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Family:
    """The part of transformers' package ``package`` that differs from its relatives.

    Attributes:
        prefix: of the classes of whole models, ``{prefix}Model`` and ``{prefix}ForCausalLM``.
        mixer: the class of a Mamba layer's mixer.
        architecture: of the mixer, "mamba1" or "mamba2".
        fused: the mixer's function that computes everything at once and would hide x; None: it calls none.
        returns: how many values a layer returns, the residual stream first; 0: that alone, not in a tuple.
        hybrid: whether the model also has attention and MLP, in layers of their own or beside the mixers.
        reads_embeddings: whether layers also take the embeddings, as ``original_hidden_states``.
    """

    package: str
    prefix: str
    mixer: str
    architecture: str
    fused: str | None
    returns: int = 0
    hybrid: bool = True
    reads_embeddings: bool = False

    def models(self) -> tuple[type, ...]:
        """The classes of whole models; none where transformers has not loaded the package."""
        module = self._module()
        names = (f"{self.prefix}Model", f"{self.prefix}ForCausalLM")
        return () if module is None else tuple(getattr(module, name) for name in names)

    def mixer_of(self, layer: nn.Module) -> nn.Module | None:
        """The Mamba mixer within one of the model's layers; None: the layer is of another kind."""
        kind = getattr(self._module(), self.mixer)
        return next((module for module in layer.modules() if isinstance(module, kind)), None)

    def _module(self) -> Any:
        return sys.modules.get(f"transformers.models.{self.package}.modeling_{self.package}")


TRANSFORMERS = "5.23"
"""The oldest version that computes every family as its weights were trained; the tests compare with 5.23.0."""

_INNER, _COMBINED = "mamba_inner_fn", "mamba2_split_conv1d_scan_combined"
_MAMBA1: dict[str, Any] = {"architecture": "mamba1", "fused": _INNER}
_MAMBA2: dict[str, Any] = {"architecture": "mamba2", "fused": _COMBINED}
_UNFUSED: dict[str, Any] = {"architecture": "mamba1", "fused": None}

FAMILIES = (
    Family(package="mamba", prefix="Mamba", mixer="MambaMixer", hybrid=False, **_MAMBA1),
    Family(package="mamba2", prefix="Mamba2", mixer="Mamba2Mixer", hybrid=False, **_MAMBA2),
    Family(package="falcon_mamba", prefix="FalconMamba", mixer="FalconMambaMixer", hybrid=False, **_MAMBA1),
    Family(package="jamba", prefix="Jamba", mixer="JambaMambaMixer", **_UNFUSED),
    Family(package="zamba", prefix="Zamba", mixer="ZambaMambaMixer", reads_embeddings=True, **_UNFUSED),
    Family(package="zamba2", prefix="Zamba2", mixer="Zamba2MambaMixer", reads_embeddings=True, **_MAMBA2),
    Family(package="bamba", prefix="Bamba", mixer="BambaMixer", returns=2, **_MAMBA2),
    Family(package="granitemoehybrid", prefix="GraniteMoeHybrid", mixer="GraniteMoeHybridMambaLayer", **_MAMBA2),
    Family(package="falcon_h1", prefix="FalconH1", mixer="FalconH1Mixer", returns=1, **_MAMBA2),
    Family(package="nemotron_h", prefix="NemotronH", mixer="NemotronHMamba2Mixer", **_MAMBA2),
)
"""Every family that is known; ``package`` is also the ``model_type`` of its config.json."""


def family_of(model: object) -> Family | None:
    """The family of a model of transformers, which this does not load; None for any other object."""
    return next((family for family in FAMILIES if isinstance(model, family.models())), None)


def family_of_mixer(kind: type) -> Family:
    """The family whose package has the mixer class ``kind``."""
    package = kind.__module__.split(".")[-2]
    return next(family for family in FAMILIES if family.package == package)


def known_models() -> str:
    """The families in words, for messages and help."""
    *most, last = (f"{family.prefix}ForCausalLM" for family in FAMILIES)
    return f"{', '.join(most)} or {last}"


def mamba_layers(family: Family, layers: nn.ModuleList) -> list[tuple[int, nn.Module]]:
    """Number and mixer of every layer that has one.

    Raises:
        InputError: when there are none.
    """
    found = [(number, mixer) for number, layer in enumerate(layers) if (mixer := family.mixer_of(layer)) is not None]
    if not found:
        raise InputError(
            f"Model must have a layer with a {family.mixer}, but none of the {len(layers)} layers of this "
            f"{family.prefix} has one; there is no x to quantize"
        )
    return found
