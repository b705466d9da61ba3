"""Sampling: the classifier's votes under noise, drawn, resumed and topped up."""
