"""Errors that a person can act on."""


class UserError(Exception):
    """State in one sentence what is wrong and what to do; the CLI prints it without a traceback."""
