"""Reports that people read: the JSON as ever, and a page and other files beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prodclf_assets.defs.io_managers import ReportIOManager


@dataclass(frozen=True)
class ReportWithPage:
    """A report (anything JSON can hold), the whole HTML of its page, and the bytes of other files by name."""

    report: dict[str, Any]
    page: str
    files: Mapping[str, bytes] = field(default_factory=dict)


class PageIOManager(ReportIOManager):
    """`report.json`, which is what downstream reads, `report.html`, and what else there is."""

    def save(self, value: ReportWithPage, folder: Path) -> Mapping[str, Any]:
        """Write all of it."""
        (folder / "report.html").write_text(value.page, encoding="utf-8")
        for name, content in value.files.items():
            (folder / name).write_bytes(content)
        return super().save(value.report, folder)
