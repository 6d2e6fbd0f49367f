"""Standard cells: Liberty files, static timing, energy."""
