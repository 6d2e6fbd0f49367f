"""The whole Mamba in integers: no floating point between token and logits.

Nothing is imported here, so that each part loads only what it needs.
"""
