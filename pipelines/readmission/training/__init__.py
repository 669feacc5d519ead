"""Datasets, fitted families, and the search for their parameters."""
