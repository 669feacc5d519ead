"""The process beside the workers: models from the registry, the log to the database."""
