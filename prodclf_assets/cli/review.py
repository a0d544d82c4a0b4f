"""`prodclf review`: products in doubt out to a file, people's labels back in."""

import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from prodclf_assets.cli.drift import Since
from prodclf_assets.cli.terminal import json_option, print_json, tell
from prodclf_assets.errors import ProdclfError

if TYPE_CHECKING:
    import pandas as pd

    from prodclf_assets.lake import Lake
    from prodclf_assets.monitoring.review.review_import import Categories

_FAULTS_SHOWN = 20


@click.group()
def review() -> None:
    """Give people the products whose answer is in doubt, and take their answers back.

    \b
      1. prodclf review export queue.csv
      2. Somebody opens it in a spreadsheet and fills in the column category: the right one, or "ok" to agree with
         predicted_category, or nothing where unsure.
      3. prodclf review import queue.csv
      4. The next training learns from it: what people say outranks the shop's categories.

    \b
    Examples:
      prodclf review export queue.csv
      prodclf review import queue.csv --reviewer asha
      prodclf review suspects suspects.csv
      prodclf review status
    """


@review.command("export")
@click.argument("out", metavar="FILE", type=click.Path(dir_okay=False))
@click.option(
    "--rows", type=click.IntRange(min=1), default=500, show_default=True, help="Products at the most."
)
@click.option("--since", type=Since(), default="7d", show_default=True, help="36h, 7d, 4w, or a date.")
@click.option(
    "--scored",
    multiple=True,
    help="Also what is in doubt in a file that `prodclf score` wrote; may be repeated.",
)
@click.option("--source-config", help="YAML mapping of the columns of the scored files.  [default: inferred]")
@click.option(
    "--queue",
    "which",
    type=click.Choice(["doubt", "audit"]),
    default="doubt",
    show_default=True,
    help="Products in doubt, or those that were filed and drawn for the audit, which are always blind.",
)
@click.option("--blind", is_flag=True, help="Leave out what the model answered, so that nobody is led by it.")
@json_option
def export(
    out: str,
    rows: int,
    since: datetime,
    scored: tuple[str, ...],
    source_config: str | None,
    which: str,
    blind: bool,
    as_json: bool,
) -> None:
    """Write the products in doubt to FILE (.csv, .csv.gz, .jsonl or .parquet), most useful first.

    In doubt is what was answered with the decision review or abstain since the given time, and of which the present
    model is still not sure. Products that somebody has labelled since are left out.

    Labels that were given blind may also correct the products that models are tested on; others are used for training
    only.

    \b
    Examples:
      prodclf review export queue.csv --rows 200
      prodclf review export queue.parquet --scored filed.csv --since 30d
      prodclf review export queue.csv --blind
      prodclf review export audit.csv --queue audit
    """
    from prodclf_assets.api.classifier import Classifier
    from prodclf_assets.cli.files import output_format
    from prodclf_assets.monitoring.review.human_labels import human_labels
    from prodclf_assets.monitoring.review.review_export import file_rows, scored_doubts
    from prodclf_assets.monitoring.review.review_queue import queue_for

    format_ = output_format(out, None)
    lake = _lake()
    labelled = human_labels(lake).table
    if which == "audit":
        from prodclf_assets.monitoring.audit.queue import audit_queue

        if scored:
            raise click.UsageError("--scored adds to the products in doubt; leave it out with --queue audit")
        found = audit_queue(lake, labelled)
        sentence = f"{len(found):,} filed products wait to be judged"
    else:
        more = scored_doubts(scored, source_config) if scored else None
        queue = queue_for(Classifier.live, lake, labelled, since, datetime.now(UTC), more)
        found, sentence = queue.table, queue.sentence
    table = file_rows(found.head(rows), blind=blind or which == "audit")
    _write(table, out, format_)
    if as_json:
        print_json({"output": out, "rows": len(table), "waiting": len(found), "sentence": sentence})
    else:
        tell(f"{out}: {len(table):,} products; {sentence}")


@review.command()
@click.argument("out", metavar="FILE", type=click.Path(dir_okay=False))
@click.option(
    "--rows", type=click.IntRange(min=1), default=500, show_default=True, help="Listings at the most."
)
@json_option
def suspects(out: str, rows: int, as_json: bool) -> None:
    """Write listings that the shop may have filed wrongly to FILE (.csv, .csv.gz, .jsonl or .parquet), worst first.

    They are what the asset suspect_labels found: the model, which had not seen them, finds another category at least 20
    times as likely. Listings that somebody has decided about since are left out. Fill in the column category: the
    right one, "ok" for predicted_category, "keep" for listed_category, or nothing where unsure; then read the file
    with `prodclf review import`. Or correct the shop's own file, where file and line say.

    \b
    Examples:
      prodclf review suspects suspects.csv
      prodclf review suspects suspects.parquet --rows 5000
    """
    from prodclf_assets.cli.files import output_format
    from prodclf_assets.monitoring.review.human_labels import human_labels
    from prodclf_assets.monitoring.review.suspect_export import latest_suspects, suspect_rows

    format_ = output_format(out, None)
    lake = _lake()
    found = latest_suspects(lake, human_labels(lake).table)
    if found is None:
        raise ProdclfError("suspects have not been looked for yet: run `prodclf train` first")
    table = suspect_rows(found.head(rows))
    _write(table, out, format_)
    if as_json:
        print_json({"output": out, "rows": len(table), "waiting": len(found)})
    else:
        tell(f"{out}: {len(table):,} of {len(found):,} listings that may be filed wrongly")


@review.command("import")
@click.argument("source", metavar="FILE")
@click.option("--reviewer", help="Who answered, where the file's column reviewer does not say.")
@json_option
def import_(source: str, reviewer: str | None, as_json: bool) -> None:
    """Check the answers in FILE and store them; every wrong one is named, and then nothing is stored.

    FILE is what `prodclf review export` or `suspects` wrote, filled in, or any table with the columns title and category (and brand,
    product_id and other fields of a product, where known). Rows without a category are not answered. Reading the
    same file again stores nothing twice.

    \b
    Examples:
      prodclf review import queue.csv
      prodclf review import 'returned/*.csv' --reviewer asha --json
    """
    from prodclf_assets.catalog.event_logs import FEEDBACK
    from prodclf_assets.monitoring.review.human_labels import human_labels
    from prodclf_assets.monitoring.review.review_import import (
        annotations_table,
        read_review_file,
        without_repeats,
    )

    lake = _lake()
    found = read_review_file(source, _categories(lake), reviewer)
    if found.faults:
        for fault in found.faults[:_FAULTS_SHOWN]:
            tell(str(fault))
        hidden = len(found.faults) - _FAULTS_SHOWN
        more = f", {hidden:,} of them not shown" if hidden > 0 else ""
        raise ProdclfError(
            f"{len(found.faults):,} answers cannot be used{more}: correct them and read the file again; nothing was stored"
        )
    new = without_repeats(found.rows, human_labels(lake).table)
    if new:
        at = datetime.now(UTC)
        lake.events(FEEDBACK).append(
            annotations_table(new, at), f"review-{socket.gethostname()}-{os.getpid()}", at
        )
    facts = {"stored": len(new), "known_before": len(found.rows) - len(new), "not_answered": found.blank}
    if as_json:
        print_json(facts)
    else:
        tell(
            f"stored {facts['stored']:,} labels; {facts['known_before']:,} were known before, {facts['not_answered']:,} "
            "rows are not answered; the next training learns from them"
        )


@review.command()
@json_option
def status(as_json: bool) -> None:
    """Say how many products wait for a person, how many labels came back, and which no training has seen yet."""
    from prodclf_assets.monitoring.review.review_export import review_status

    facts = review_status(_lake())
    if as_json:
        print_json(facts)
        return
    waiting, made = facts["waiting"], facts["queue_made_at"]
    tell(
        "the asset review_queue has not been made yet; `prodclf review export FILE` makes a queue of its own"
        if made is None
        else f"{waiting:,} products wait for a person, as of {made}"
    )
    if facts["suspects"] is not None:
        tell(
            f"{facts['suspects']:,} listings may be filed wrongly; `prodclf review suspects FILE` writes them"
        )
    by = ", ".join(f"{count:,} {source}" for source, count in facts["by_source"].items())
    tell(f"{facts['labelled']:,} products have a label from a person{f' ({by})' if by else ''}")
    tell(f"{facts['not_in_training']:,} of these labels came after the last training read them")


def _categories(lake: "Lake") -> "Categories":
    from prodclf_assets.api.model_folder import live_categories
    from prodclf_assets.catalog.taxonomy import load_taxonomy
    from prodclf_assets.monitoring.review.review_export import catalogue_categories
    from prodclf_assets.monitoring.review.review_import import Categories
    from prodclf_assets.settings import get_settings

    known = [*(live_categories() or ()), *catalogue_categories(lake)]
    if not known:
        raise ProdclfError("no category is known yet, so no answer can be checked: run `prodclf train` first")
    return Categories(known, load_taxonomy(get_settings().taxonomy))


def _write(table: "pd.DataFrame", out: str, format_: Any) -> None:
    from prodclf_assets.cli.files import table_writer
    from prodclf_assets.monitoring.review.spreadsheet_cells import quoted_formulas

    with table_writer(out, format_) as writer:
        writer.write(quoted_formulas(table) if format_ in ("csv", "csv.gz") else table)


def _lake() -> "Lake":
    from prodclf_assets.lake import open_lake
    from prodclf_assets.settings import get_settings

    return open_lake(get_settings().lake)
