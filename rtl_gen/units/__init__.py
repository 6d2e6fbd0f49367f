"""The units' configurations, one module each; ``CONFIG`` is the class.

A new unit is a component, a module here with its dataclass, and its name in :data:`qse_hw.rtl_gen.emit.unit.UNITS`.
"""
