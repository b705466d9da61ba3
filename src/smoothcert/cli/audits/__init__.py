"""One module a kind of audit, found by ``smoothcert audit KIND``."""
