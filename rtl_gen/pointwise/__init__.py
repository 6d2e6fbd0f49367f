"""Units that take every value by itself: residual stream, activation, time steps, gate."""
