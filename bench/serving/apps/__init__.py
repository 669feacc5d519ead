"""The services one would otherwise run, written the usual way; each serves the same model on /predict."""
