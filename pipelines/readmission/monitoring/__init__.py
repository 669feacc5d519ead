"""What is kept and shown about the running system: drift reports, live quality, metrics of the database."""
