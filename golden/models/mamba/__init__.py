"""A real Mamba-1: the model in plain PyTorch, its checkpoints, text, training and activation capture.

Nothing is imported here, so that ``qse_hw.golden.models.mamba.text`` and friends load only what they need.
"""
