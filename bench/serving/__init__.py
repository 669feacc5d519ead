"""Benchmarks: our API beside what a user would otherwise run, with the same model, on the same machine."""
