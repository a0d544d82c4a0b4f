"""`prodclf drift`: whether products still look like those that the live model was trained on."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from prodclf_assets.cli.terminal import json_option, print_json, print_table, tell

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Since(click.ParamType[datetime]):
    """A time in the past: `36h`, `7d`, `4w`, a date, or a date and time (UTC unless it says)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return an aware time."""
        span = re.fullmatch(r"(\d{1,5})([hdw])", str(value).strip())
        if span:
            return datetime.now(UTC) - int(span[1]) * _UNITS[span[2]]
        try:
            found = datetime.fromisoformat(str(value).strip())
        except ValueError:
            self.fail(f"{value!r} is no time; write 36h, 7d, 4w, 2030-01-31 or 2030-01-31T12:00", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@click.command()
@click.option("--since", type=Since(), default="7d", show_default=True, help="36h, 7d, 4w, or a date.")
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as a page."
)
@json_option
def drift(since: datetime, page: Path | None, as_json: bool) -> None:
    """Compare the products that were answered lately with those of the live model's training.

    Read from the prediction log. Each cause has an effect size, what counts, and advice: label (show such products to
    a person), retrain (people disagree with the answers), or ignore. Nothing is stored; the asset drift_report is.

    \b
    Examples:
      prodclf drift
      prodclf drift --since 24h --json
      prodclf drift --since 2030-01-31 --html drift.html
    """
    report = _report(since)
    if page is not None:
        from prodclf_assets.monitoring.drift.page import drift_page

        page.write_text(drift_page(report), encoding="utf-8")
    if as_json:
        print_json(report)
        return
    if report["measures"]:
        print_table([_line(cause) for cause in report["measures"]])
    advice = f"; advice: {report['advice']}" if report["drifted"] else ""
    tell(f"{report['sentence']}{advice}")
    for name, products in report["examples"].items():
        titles = ", ".join(repr(product["title"]) for product in products[:3])
        tell(f"  {name}, for example: {titles}")


def _report(since: datetime) -> dict[str, Any]:
    from prodclf_assets.api.classifier import Classifier
    from prodclf_assets.lake import open_lake
    from prodclf_assets.monitoring.drift.drift_report import drift_report
    from prodclf_assets.settings import get_settings

    return drift_report(Classifier.live, open_lake(get_settings().lake), since, datetime.now(UTC))


def _line(cause: dict[str, Any]) -> dict[str, object]:
    known = cause["measured"]
    return {
        "CAUSE": cause["name"],
        "DRIFT": ("yes" if cause["drifted"] else "no") if known else "not known",
        "EFFECT": f"{cause['effect']:.3f}" if known else "-",
        "COUNTS FROM": f"{cause['threshold']:g}" if known else "-",
        "CHANCE": f"{cause['p_value']:.2g}" if known else "-",
        "PRODUCTS": f"{cause['rows']:,}",
        "FOUND": cause["sentence"],
    }
