"""Alfarra, Bibi, Torr and Ghanem 2022: data-dependent randomized smoothing (DDRS)."""
