"""Texts that a spreadsheet would take for a formula, kept from it: a product's title is written by who sells it.

A cell that begins so is given an apostrophe in front (OWASP, CSV injection), and loses it when the file is read back.
"""

import pandas as pd

_FORMULA = r"(?s)^('*[=+\-@\t\r].*)$"
_QUOTED = r"(?s)^'('*[=+\-@\t\r].*)$"


def quoted_formulas(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows for a spreadsheet: an apostrophe before every text that begins like a formula, or like one that has it."""
    return _replaced(rows, _FORMULA, r"'\1")


def unquoted_formulas(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that `quoted_formulas` was given."""
    return _replaced(rows, _QUOTED, r"\1")


def _replaced(rows: pd.DataFrame, pattern: str, by: str) -> pd.DataFrame:
    texts = rows.select_dtypes(["object", "string"])
    return rows.assign(
        **{
            name: column.replace(pattern, by, regex=True).astype(column.dtype)
            for name, column in texts.items()
        }
    )
