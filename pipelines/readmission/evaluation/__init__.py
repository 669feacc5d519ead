"""Metrics, fairness, operating points, gates, plots and the model card."""
