"""What changes if one uses the sound method: every comparison in one table."""
