"""Chen, Li, Yan et al. 2022: input-specific sampling (ISS)."""
