"""Adapters of the places where state lives: Postgres and the object store."""
