"""A sandbox for integrators: a made-up hospital and a record system that discharges its patients."""
