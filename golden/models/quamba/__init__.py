"""Mamba with 8-bit weights and activations as in the Quamba papers, with the soft edge as an option for x.

Sources: Chiang et al., "Quamba: A Post-Training Quantization Recipe for Selective State Space Models" (2024,
arXiv 2410.13229) and "Quamba2" (2025, arXiv 2503.22879); the soft edge: "Quamba-SE" (arXiv 2601.09451).

* :mod:`qse_hw.golden.models.quamba.integer`: the integer arithmetic, to which hardware must be bit-exact.
* :mod:`qse_hw.golden.models.quamba.scan`: the selective scan with a state that is rounded where a decoder would store
  it.
* :mod:`qse_hw.golden.models.quamba.calibration`: the static scales and their file;
  :mod:`qse_hw.golden.models.quamba.calibrate` finds them.
* :mod:`qse_hw.golden.models.quamba.layers`, :mod:`qse_hw.golden.models.quamba.model`: the quantized Mamba-1.
* :mod:`qse_hw.golden.models.quamba.decode`: the same, one token at a time, for generation;
  :mod:`qse_hw.golden.models.quamba.fused_ops`: its operations between the integer products.
* :mod:`qse_hw.golden.models.quamba.calibration_mamba2`, :mod:`qse_hw.golden.models.quamba.calibrate_mamba2`,
  :mod:`qse_hw.golden.models.quamba.mamba2`: Mamba-2.

Nothing is imported here, so that each part loads only what it needs.
"""
