"""Anderson and Sojoudi 2022: locally biased randomized smoothing (LBRS)."""
