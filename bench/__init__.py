"""Benchmarks: the API beside its peers, and the pipeline beside simpler ways."""
