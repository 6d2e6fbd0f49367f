"""A real Mamba-1: the model in plain PyTorch, its checkpoints, text, training and activation capture.

Nothing is imported here, so that each module loads only what it needs.
"""
