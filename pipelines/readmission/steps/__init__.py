"""One module a step: typed arguments and `run`; no step imports another."""
