"""Reports that people read in a browser: the JSON as ever, and a page beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prodclf_assets.defs.io_managers import ReportIOManager


@dataclass(frozen=True)
class ReportWithPage:
    """A report (anything JSON can hold) and the whole HTML of its page."""

    report: dict[str, Any]
    page: str


class PageIOManager(ReportIOManager):
    """`report.json`, which is what downstream reads, and `report.html`."""

    def save(self, value: ReportWithPage, folder: Path) -> Mapping[str, Any]:
        """Write both."""
        (folder / "report.html").write_text(value.page, encoding="utf-8")
        return super().save(value.report, folder)
