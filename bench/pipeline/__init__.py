"""Benchmarks of the pipeline: its steps, a naive way, Dask, Airflow."""
