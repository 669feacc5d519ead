"""Errors that a person can act on."""


class UserError(Exception):
    """Error whose message says in one sentence what is wrong and what to do; the CLI prints it without a traceback."""


class RefusalError(UserError):
    """Error that running the same again cannot mend, such as a gate that refuses; the CLI exits with 2, not 1."""


class UnreachableError(UserError):
    """Data that cannot be downloaded at present."""
