"""A whole model as a block of a system: tokens in, a memory behind it."""
