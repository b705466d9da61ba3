"""What everything stands on: errors, slugs, files, confidence bounds, provenance."""
