"""Backup and restore of everything that an installation cannot make anew."""
