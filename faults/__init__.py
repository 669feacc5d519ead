"""Faults that an embedded system survives, each injected for real: ``make faults``."""
