"""What the commands measure and draw, as a library: they and the reports share it."""
