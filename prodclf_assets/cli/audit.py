"""`prodclf audit`: whether what was filed without a person is as good as promised, and what is held for review."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from prodclf_assets.cli.terminal import json_option, print_json, print_table, tell
from prodclf_assets.errors import ProdclfError

if TYPE_CHECKING:
    from prodclf_assets.lake import Lake


@click.group()
def audit() -> None:
    """Hold the promise against what people found of products that were filed without one.

    \b
      1. Every night the asset audit_sample draws some of them.
      2. prodclf review export audit.csv --queue audit     people judge them without seeing the answer
      3. prodclf review import audit.csv
      4. The asset audit_report says how many are right. What breaks the promise is held for review.

    \b
    Examples:
      prodclf audit status
      prodclf audit release --category "Toys > Puzzles" --reason "trained again on 200 labels"
    """


@audit.command()
@json_option
def status(as_json: bool) -> None:
    """Say what was found last, and what is held for review."""
    from prodclf_assets.monitoring.audit.overlay import read_overlay

    lake = _lake()
    held, version = read_overlay(lake).held, lake.find_latest("audit_report")
    report = None if version is None else json.loads(lake.read_bytes(version, "report.json"))
    if as_json:
        print_json({"report": report, "held": [vars(change) for change in held]})
        return
    if report is None or version is None:
        tell("the asset audit_report has not been made yet; `prodclf train` or the nightly run makes it")
    else:
        if report["overall"]["answers"] or report["levels"]:
            print_table([_line(level) for level in (report["overall"], *report["levels"])])
        tell(f"{report['sentence']}; as of {version.created_at:%Y-%m-%d %H:%M} UTC")
    for change in held:
        tell(f"held for review since {change.at}: {change.what} ({change.reason})")


@audit.command()
@click.option("--category", "categories", multiple=True, help="A category that is held; may be repeated.")
@click.option("--seller", "sellers", multiple=True, help="A seller that is held; may be repeated.")
@click.option(
    "--everything", is_flag=True, help="What was held altogether; single categories and sellers stay held."
)
@click.option("--reason", required=True, help="Why, for the promotion log.")
@json_option
def release(
    categories: tuple[str, ...], sellers: tuple[str, ...], everything: bool, reason: str, as_json: bool
) -> None:
    """File again by itself what is held for review; what serves follows within seconds.

    What was found before counts no longer: the released is judged anew from now on.

    \b
    Examples:
      prodclf audit release --category "Toys > Puzzles" --reason "trained again on 200 labels"
      prodclf audit release --everything --reason "the feed is mended"
    """
    from prodclf_assets.monitoring.audit.overlay import change_holds, read_overlay
    from prodclf_assets.registry import open_registry
    from prodclf_assets.settings import get_settings

    levels = [("category", name) for name in categories] + [("seller", name) for name in sellers]
    levels += [("all", "")] if everything else []
    if not levels:
        raise click.UsageError("name what to release: --category, --seller or --everything")
    lake = _lake()
    held = {(change.scope, change.name): change.what for change in read_overlay(lake).held}
    missing = [name or "everything" for scope, name in levels if (scope, name) not in held]
    if missing:
        listed = ", ".join(held.values()) or "nothing"
        raise ProdclfError(f"{', '.join(map(repr, missing))} is not held for review; held is: {listed}")
    numbers = {"levels": [{"scope": scope, "name": name} for scope, name in levels]}
    open_registry(get_settings()).note_holds("release", reason, lake, numbers)
    change_holds(lake, "release", levels, reason, datetime.now(UTC))
    left = [change.what for change in read_overlay(lake).held]
    if as_json:
        print_json({"released": [held[level] for level in levels], "held": left})
    else:
        tell(
            f"released: {', '.join(held[level] for level in levels)}; still held: {', '.join(left) or 'nothing'}"
        )


def _line(level: dict[str, Any]) -> dict[str, object]:
    return {
        "OF": f"{level['scope']} {level['name']}".strip(),
        "JUDGED": level["answers"],
        "WRONG": level["wrong"],
        "RIGHT": f"{level['precision']:.1%}",
        "BETWEEN": f"{level['lower']:.1%} and {level['upper']:.1%}",
        "PROMISED": f"{level['promise']:.0%}",
        "PROMISE": level["state"],
    }


def _lake() -> "Lake":
    from prodclf_assets.lake import open_lake
    from prodclf_assets.settings import get_settings

    return open_lake(get_settings().lake)
