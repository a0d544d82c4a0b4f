"""`prodclf score`: file the products of a table."""

import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from prodclf_assets.cli import files
from prodclf_assets.cli.terminal import Progress, json_option, print_json, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prodclf_assets.catalog.product_stream import Chunk
    from prodclf_assets.catalog.reading.formats.writers import Format, TableWriter
    from prodclf_assets.catalog.reading.issues import Fault, FaultTally
    from prodclf_assets.classifier.scoring.score_table import ScoreCounts, Scored

_PROBLEMS_SHOWN = 20


@click.command()
@click.argument("source", metavar="IN")
@click.argument("out", metavar="OUT")
@click.option("--source-config", help="YAML mapping of the columns of IN.  [default: inferred]")
@click.option(
    "--model", "ref", help="Alias, version number or bundle folder.  [default: PRODCLF_MODEL_ALIAS]"
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "csv.gz", "jsonl", "parquet"]),
    help="Format of standard input and output, and of an OUT whose suffix does not say.  [default: csv]",
)
@click.option(
    "--top-k", type=click.IntRange(1, 50), default=5, show_default=True, help="Alternatives listed a row."
)
@click.option("--explain", "explained", is_flag=True, help="Say in a column why each row got its category.")
@click.option("--strict", is_flag=True, help="Exit with 1 when any row had a problem.")
@json_option
def score(
    source: str,
    out: str,
    source_config: str | None,
    ref: str | None,
    format_: "Format | None",
    top_k: int,
    explained: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """File the products of IN and write them to OUT, row by row in the same order.

    IN is a file, folder, glob or s3://… of CSV, CSV.GZ, JSONL or Parquet; OUT is one file, which appears only when it
    is complete. `-` is standard input or output. CSV and Parquet are read, answered and written a part at a time, in
    memory that does not grow with them; JSONL is read whole, at about 1 GB of memory for a million rows.

    The columns of IN are kept as they were. Behind them come predicted_category, confidence, decision (auto, review or
    abstain), branch (the deepest part of the path that is sure), alternatives (JSON), model_version, and issues: what
    is wrong with the row, empty when nothing is. Every row is answered. One without a title has no predicted_category and the decision abstain. Problems are also printed
    to standard error, with file and line.

    With --explain a column explanation follows: which words and fields speak for the category, which for the runner-up,
    and what the decision rests on. Each word and field is left out once to see, so it takes ten to twenty times as long.

    \b
    Exit codes:
      0  done; rows with problems are reported and do not count as failure
      1  failed, and OUT is as it was (what went to standard output is not all of it); or, with --strict, written
         but some row had a problem
      2  wrong use

    \b
    Examples:
      prodclf score new.csv filed.csv
      prodclf score 'feeds/*.jsonl' filed.parquet --source-config mapping.yaml --strict
      prodclf score doubtful.csv explained.csv --explain
      cat new.csv | prodclf score - - --model 4 > filed.csv
    """
    from prodclf_assets.lean_imports import load_arrow, load_compiler

    load_arrow()
    load_compiler()
    from prodclf_assets.api.model_folder import find_model
    from prodclf_assets.catalog.reading.columns.mapping import load_source_config
    from prodclf_assets.catalog.reading.issues import FaultTally
    from prodclf_assets.catalog.reading.sources import no_products
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.classifier.scoring.score_table import score_chunk

    started = time.monotonic()
    format_out = files.output_format(out, format_)
    mapping = load_source_config(source_config) if source_config else None
    faults = FaultTally(_PROBLEMS_SHOWN)
    # Opened first: a place that cannot be written to is better known before a long reading than after.
    with files.table_writer(out, format_out) as writer, files.open_source(source, mapping, format_) as chunks:
        model = find_model(ref)
        bundle = Bundle.load(model.path, threads=1)  # as many chunks as there are cores are answered at once
        version = model.version or bundle.version
        answer = partial(score_chunk, bundle=bundle, model_version=version, top_k=top_k, explained=explained)
        counts = _write(chunks if mapping else _told(chunks), answer, writer, faults)
        if not counts.rows:
            raise no_products(files.STANDARD_INPUT if source == files.STANDARD else source)
    for sentence in faults.sentences():
        tell(sentence)
    summary = {
        **asdict(counts),
        "model_version": version,
        "output": out,
        "seconds": round(time.monotonic() - started, 3),
    }
    if as_json:
        print_json({**summary, "issues": faults.to_dict()}, err=out == files.STANDARD)
    else:
        tell(_sentence(summary))
    if strict and len(faults):
        raise click.exceptions.Exit(1)


def _told(chunks: "Iterator[Chunk]") -> "Iterator[Chunk]":
    """Say, when the first rows come, which column was taken for what."""
    for number, chunk in enumerate(chunks):
        if number == 0:
            took = ", ".join(f"{field}: {column!r}" for field, column in chunk.config.columns.items())
            tell(f"columns were understood by their names as {took}; if that is wrong, give --source-config")
        yield chunk


def _write(
    chunks: "Iterator[Chunk]",
    answer: "Callable[[Chunk], Scored]",
    writer: "TableWriter",
    faults: "FaultTally",
) -> "ScoreCounts":
    """Answer and write all chunks, at once and in order."""
    from prodclf_assets.classifier.kernels import available_cores
    from prodclf_assets.classifier.scoring.score_table import NOTHING_SCORED, in_order

    def prepared(chunk: "Chunk") -> "tuple[Any, ScoreCounts, Sequence[Fault]]":
        scored = answer(chunk)
        return writer.encode(scored.rows), scored.counts, scored.faults

    total = NOTHING_SCORED
    progress = Progress(None, "scored")
    for encoded, counts, wrong in in_order(prepared, chunks, available_cores()):
        writer.put(encoded)
        total += counts
        faults.add(wrong)
        progress(total.rows)
    progress.end()
    return total


def _sentence(summary: dict[str, Any]) -> str:
    decided = summary["decisions"]
    text = (
        f"scored {summary['rows']:,} rows with model {summary['model_version']}: {decided['auto']:,} auto, "
        f"{decided['review']:,} review, {decided['abstain']:,} abstain"
    )
    problems = (
        f"; {summary['problem_rows']:,} rows had problems, see the column issues"
        if summary["problem_rows"]
        else ""
    )
    where = "" if summary["output"] == files.STANDARD else f"; written to {summary['output']}"
    return text + problems + where
