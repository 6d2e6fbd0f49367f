"""Functions of the mixer in fixed point: exp2, softplus, SiLU, reciprocal square root, right for every input."""
