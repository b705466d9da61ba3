"""``python -m smoothcert``: the same as the command ``smoothcert``."""

import sys

from smoothcert.core.warm import ask

status = ask(sys.argv[1:])
if status is None:
    from smoothcert.cli import main

    status = main()
sys.exit(status)
