"""`prodclf inspect`: what a training would make of a file, before it is trained."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prodclf_assets.cli.terminal import json_option, print_json, printable

if TYPE_CHECKING:
    from prodclf_assets.catalog.inspection import Inspection

_BARS = 12
_WIDTH = 30
_FAULTS = 3


@click.command()
@click.argument("source", metavar="FILE", required=False)
@click.option(
    "--source-config", help="YAML mapping of its columns.  [default: PRODCLF_SOURCE_CONFIG, else inferred]"
)
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as a page, too."
)
@json_option
def inspect(source: str | None, source_config: str | None, page: Path | None, as_json: bool) -> None:
    """Say what a training would make of FILE: a file, folder, glob or s3://…; PRODCLF_SOURCE when absent.

    Which column is which field, what is not read and why, which rows will not be learnt from, whether an input gives the
    category away, what looks wrong with the categories and the line that mends it, and what a training takes. Nothing is
    stored or trained.

    \b
    Exit codes: 0 a training would start, 1 it would stop, and why is said, 2 wrong use.

    \b
    Examples:
      prodclf inspect shop.csv
      prodclf inspect 'feeds/*.csv.gz' --source-config mapping.yaml --html shop.html
      prodclf inspect shop.csv --json
    """
    from prodclf_assets.catalog import inspection
    from prodclf_assets.catalog.reading.columns.mapping import load_source_config
    from prodclf_assets.catalog.taxonomy import load_taxonomy
    from prodclf_assets.settings import get_settings

    settings = get_settings()
    chosen, mapping = source or settings.source, source_config or settings.source_config
    if chosen is None:
        raise click.UsageError("name a FILE, or set PRODCLF_SOURCE")
    config = load_source_config(mapping) if mapping else None
    found = inspection.inspect(chosen, config, load_taxonomy(settings.taxonomy))
    if page is not None:
        from prodclf_assets.monitoring.html_page import render

        html = render("inspection.html", title=f"What is in {chosen}", found=found, rare=inspection.RARE)
        page.write_text(printable(html), encoding="utf-8")
    if as_json:
        print_json(found.to_dict())
    else:
        click.echo(printable("\n".join(_lines(found, inspection.RARE))))
    if found.stops:
        raise click.exceptions.Exit(1)


def _lines(found: "Inspection", rare: int) -> Iterator[str]:
    """The report as lines of text."""
    rows = ", ".join(f"{count:,} {what}" for what, count in found.rows.items() if count)
    yield f"{found.source}: {rows}"
    yield from _section(
        "files", (f"{file['name']}  {file['format']}, {file['rows']:,} rows" for file in found.files)
    )
    yield from _section(
        "read as", (f"{one.field:<14} {one.column}  ({one.filled:.0%} filled)" for one in found.fields)
    )
    if found.currencies:
        yield f"  {'money in':<14} " + ", ".join(
            f"{mark} ({count:,})" for mark, count in found.currencies.items()
        )
    yield from _section("not read", (f"{one.column}: {one.why}" for one in found.unused))
    yield from _section("could not be used", (f"{count:,} × {kind}" for kind, count in found.issues.items()))
    yield from (f"    {fault}" for fault in found.faults[:_FAULTS])
    names = list(found.categories.items())
    yield from _section(
        f"categories: {len(names):,}, {found.rare:,} of them with fewer than {rare} products",
        (
            f"{'█' * max(1, round(_WIDTH * count / names[0][1])):<{_WIDTH}} {count:>7,}  {name}"
            for name, count in names[:_BARS]
        ),
    )
    if len(names) > _BARS:
        yield f"  {'':<{_WIDTH}} {sum(count for _, count in names[_BARS:]):>7,}  in {len(names) - _BARS:,} more"
    yield from _section(
        "look at this",
        (*(f"{leak}: does it come from the category?" for leak in found.leaks), *_findings(found)),
    )
    yield from _section("a training would stop", found.stops)
    if not found.stops:
        yield f"a training takes {found.expected}"


def _findings(found: "Inspection") -> Iterator[str]:
    for one in found.findings:
        if one.worthless:
            continue
        yield str(one)
        if len(one.lines) > 1:
            yield from (f"    {line}" for line in one.lines[:_BARS])
        if len(one.lines) > _BARS:
            yield f"    … and {len(one.lines) - _BARS:,} more lines: see --json"


def _section(name: str, lines: "Iterator[str] | tuple[str, ...]") -> Iterator[str]:
    """A heading and its lines, nothing where there are none."""
    for number, line in enumerate(lines):
        if not number:
            yield f"{name}"
        yield f"  {line}"
