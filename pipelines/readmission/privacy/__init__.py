"""Privacy by command: what is kept, who asked, and how it is forgotten."""
