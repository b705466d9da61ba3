"""The papers: each folder has one paper's tables, figures, claims and studies."""
