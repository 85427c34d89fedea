"""The one exception that is meant for people: one sentence with what, where and what to do."""


class UserError(Exception):
    """Raised for bad input; the command line prints its message alone and exits 1."""
