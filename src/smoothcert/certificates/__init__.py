"""Certificates: the table format, and what is read from it; torch is not needed."""

from smoothcert.certificates.table import (
    ABSTAIN,
    COLUMNS,
    CertificateTable,
    is_correct,
    make_table,
    read_certificates,
    read_column_text,
    sidecar,
    write_certificates,
)

__all__ = [
    "ABSTAIN",
    "COLUMNS",
    "CertificateTable",
    "is_correct",
    "make_table",
    "read_certificates",
    "read_column_text",
    "sidecar",
    "write_certificates",
]
