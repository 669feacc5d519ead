"""The log of predictions: entries, ids, and the spool on disk."""
