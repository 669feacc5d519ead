"""The demo: a clinician's form generated from the contract, answered by the prediction API."""
