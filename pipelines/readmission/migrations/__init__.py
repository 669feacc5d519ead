"""Database migrations (alembic): forward only, from any released state."""
