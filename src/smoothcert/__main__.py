"""``python -m smoothcert``: the same as the command ``smoothcert``."""

import sys

from smoothcert.cli import main

sys.exit(main())
