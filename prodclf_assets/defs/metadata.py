"""What materialisations and checks show to people, in the forms that Dagster's UI renders."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.label_checks.findings import Finding

CellValue = str | int | float | bool


def records_table(
    rows: Iterable[Mapping[str, CellValue]], columns: Mapping[str, str]
) -> dg.TableMetadataValue:
    """Return rows as a table in the UI; `columns` names them in order with their types."""
    schema = dg.TableSchema(columns=[dg.TableColumn(name, kind) for name, kind in columns.items()])
    records = [dg.TableRecord({name: row[name] for name in columns}) for row in rows]
    return dg.MetadataValue.table(records=records, schema=schema)


def counts_table(counts: Mapping[str, int], what: str) -> dg.TableMetadataValue:
    """Return names with a count each as a table."""
    rows: list[dict[str, CellValue]] = [{what: name, "count": count} for name, count in counts.items()]
    return records_table(rows, {what: "string", "count": "int"})


def findings_table(findings: Iterable[Finding]) -> dg.TableMetadataValue:
    """Return what looks wrong with labels as a table."""
    rows: list[dict[str, CellValue]] = [
        {
            "what": one.what,
            "examples": ", ".join(one.examples),
            "remedy": one.remedy,
            "lines": "\n".join(one.lines[:50]),
            "blocks": one.worthless,
        }
        for one in findings
    ]
    columns = {
        "what": "string",
        "examples": "string",
        "remedy": "string",
        "lines": "string",
        "blocks": "bool",
    }
    return records_table(rows, columns)


def preview(frame: pd.DataFrame, columns: Sequence[str], rows: int = 5) -> dg.MarkdownMetadataValue:
    """Return the first rows as a Markdown table."""
    head = frame[list(columns)].head(rows)
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(_cell(value) for value in row) for row in head.itertuples(index=False)]
    return dg.MetadataValue.md("\n".join(f"| {line} |" for line in lines))


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    return shown.replace("|", "\\|")
