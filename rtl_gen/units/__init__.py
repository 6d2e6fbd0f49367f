"""The units' configurations, one module each; ``CONFIG`` is the class."""
