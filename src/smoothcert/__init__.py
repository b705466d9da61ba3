"""Certified robustness by randomized smoothing: sample votes once, certify them in many ways."""
