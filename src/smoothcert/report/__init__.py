"""From numbers to print: the result frame, tables, figures, claims, the page."""
