"""Zhang, Ye, Gong, Zhu and Liu 2020: non-Gaussian smoothing noise."""
