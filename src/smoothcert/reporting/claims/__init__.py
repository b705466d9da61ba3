"""Every claim of the four papers with a verdict that a check computes from a results folder."""
