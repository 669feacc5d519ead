"""MLflow, and the ledger of what was trained and promoted."""
