"""The one exception that the command line turns into one line and a non-zero exit."""


class SmoothcertWarning(UserWarning):
    """Something that was read or done otherwise than one may think; one line."""


class SmoothcertError(Exception):
    """A mistake in what the user gave: the message says what, where, expected and found.

    Raise it where the mistake is known; ``smoothcert.cli`` prints ``error: <message>``
    and exits with status 2. Everything else that escapes is a bug and keeps its traceback.
    """


def first_line(error: object) -> str:
    """The first line of what an error says; '' where it says nothing."""
    return (str(error).strip().splitlines() or [""])[0]
