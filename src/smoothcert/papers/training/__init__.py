"""The trainings of the base classifier, side by side."""
