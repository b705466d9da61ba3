"""Cohen, Rosenfeld and Kolter 2019: Gaussian smoothing, the baseline of the others."""
