"""The one exception that the command line turns into one line and a non-zero exit."""


class SmoothcertError(Exception):
    """A mistake in what the user gave: the message says what, where, expected and found.

    Raise it where the mistake is known; ``smoothcert.cli`` prints ``error: <message>``
    and exits with status 2. Everything else that escapes is a bug and keeps its traceback.
    """
