"""The HTTP API and the clinician's demo: what serves the Production model."""
