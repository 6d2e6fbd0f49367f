"""The page that ``python -m qse_hw report`` writes: a unit, its format, accuracy, cost and evidence, one section each.

A section's module measures or gathers (a function of the configuration) and tells (``section``), apart from each other.
"""
