"""The mixer's functions in fixed point: exp2, softplus, SiLU, rsqrt, within an error bound for every input."""
