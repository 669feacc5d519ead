"""Alternative services, written the usual way. Each serves the same model on /predict."""
