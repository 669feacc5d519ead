"""Errors that a person can act on."""


class UserError(Exception):
    """Error whose message says in one sentence what is wrong and what to do; the CLI prints it without a traceback."""
