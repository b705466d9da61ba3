"""The papers' numbers as CSV files, read by ``smoothcert.reference``.

One file a table of DDRS (Alfarra et al. 2022), ISS (Chen et al. 2022) and Zhang et al. (2020),
one row a printed cell: ``paper, table, dataset, norm, method, train, certify, sigma, K, n,
metric, radius`` identify it, ``value`` is as printed (trailing zeros tell its precision), then
``unit`` and ``note``. An empty value is a cell that could not be read. ``claims.csv`` has the
numeric claims of the running texts and ``settings.csv`` the settings that the papers state,
LBRS (Anderson and Sojoudi) included, which has no tables.
"""
