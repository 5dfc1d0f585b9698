"""Errors the user can fix; commands print them without a traceback."""


class UserError(Exception):
    """The message says what is wrong, where, what is allowed and what to type."""
