"""Functions of the mixer as piecewise polynomials."""
