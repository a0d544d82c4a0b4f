"""`prodclf score`: file the products of a table."""

import hashlib
import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from prodclf_assets.cli import files
from prodclf_assets.cli.terminal import Progress, json_option, print_json, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prodclf_assets.catalog.product_stream import Chunk
    from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
    from prodclf_assets.catalog.reading.formats.writers import Format
    from prodclf_assets.catalog.reading.issues import FaultTally
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.classifier.scoring.score_table import Prepared, ScoreCounts

_PROBLEMS_SHOWN = 20
_BECAME = {
    "auto": "sure enough to be filed as they are",
    "review": "a category that a person should look at",
    "abstain": "too little to go by: not to be relied on",
}


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
@click.option(
    "--only",
    type=click.Choice(["auto", "review", "abstain"]),
    multiple=True,
    help="Write rows with this decision alone; may be repeated.",
)
@click.option(
    "--columns", help="Write these columns alone, of IN or of the answer, with commas between them."
)
@click.option(
    "--alternatives",
    type=click.Choice(["json", "columns"]),
    default="json",
    show_default=True,
    help="One column of JSON, or alternative_1, alternative_1_confidence, alternative_2 … for a spreadsheet.",
)
@click.option("--explain", "explained", is_flag=True, help="Say in a column why each row got its category.")
@click.option("--strict", is_flag=True, help="Exit with 1 when any row had a problem.")
@click.option(
    "--ray", "ray_address", metavar="ADDRESS", help="Answer on this Ray cluster.  [default: RAY_ADDRESS]"
)
@json_option
def score(
    source: str,
    out: str,
    source_config: str | None,
    ref: str | None,
    format_: "Format | None",
    top_k: int,
    only: tuple[str, ...],
    columns: str | None,
    alternatives: str,
    explained: bool,
    strict: bool,
    ray_address: str | None,
    as_json: bool,
) -> None:
    """File the products of IN and write them to OUT, row by row in the same order.

    IN is a file, folder, glob or s3://… of CSV, CSV.GZ, JSONL, Parquet or workbooks; OUT is one file, which appears only when it
    is complete, or a folder (a name or s3://… that ends with a slash), which takes parts of 100,000 rows and a manifest
    of them: the same command after a failure goes on with the next part. `-` is standard input or output. CSV and
    Parquet are read, answered and written some rows at a time, in memory that does not grow with them; JSONL is read
    whole, at about 1 GB of memory for a million rows.

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
      prodclf score new.csv doubtful.csv --only review --only abstain --explain
      prodclf score new.csv sheet.csv --columns sku,title,predicted_category,decision,alternative_2
      prodclf score s3://shop/new/ s3://shop/filed/ --format parquet --ray auto
      cat new.csv | prodclf score - - --model 4 > filed.csv
    """
    from prodclf_assets.lean_imports import load_arrow, load_compiler

    load_arrow()
    load_compiler()
    from prodclf_assets.api.model_folder import find_model, load_bundle
    from prodclf_assets.catalog.reading.columns.mapping import load_source_config
    from prodclf_assets.catalog.reading.issues import FaultTally
    from prodclf_assets.catalog.reading.sources import no_products
    from prodclf_assets.classifier.calibration.thresholds import DECISIONS
    from prodclf_assets.classifier.scoring.score_table import Wanted, prepared, score_chunk
    from prodclf_assets.settings import get_settings

    started = time.monotonic()
    format_out = (format_ or "csv") if out.endswith("/") else files.output_format(out, format_)
    mapping = load_source_config(source_config) if source_config else None
    faults = FaultTally(_PROBLEMS_SHOWN)
    names = tuple(name.strip() for name in (columns or "").split(",") if name.strip())
    plain = alternatives == "columns" or any(name.startswith("alternative_") for name in names)
    wanted = Wanted(only or DECISIONS, names, explained, plain)
    files.check_not_input(source, out)
    with ExitStack() as stack:
        # Opened first: a place that cannot be written to is better known before a long reading than after.
        output = None if out.endswith("/") else stack.enter_context(_file_output(out, format_out))
        chunks = stack.enter_context(files.open_source(source, mapping, format_))
        model = find_model(ref)
        bundle = load_bundle(model, threads=1)  # as many chunks as there are cores are answered at once
        version = model.version or bundle.version
        if output is None:
            holds = bundle.holds.everything, sorted(bundle.holds.categories), sorted(bundle.holds.sellers)
            made_from = _digest(
                source, mapping, format_out, bundle.version, version, holds, top_k, asdict(wanted)
            )
            output = stack.enter_context(_folder_output(out, format_out, made_from))
        answer = partial(score_chunk, model_version=version, top_k=top_k, wanted=wanted)
        work = partial(prepared, answer=answer, format_=format_out)
        address = ray_address or get_settings().ray_address
        workers = stack.enter_context(_answering(work, bundle, model.path, address))
        counts = _write(chunks if mapping else _told(chunks), workers, output, faults)
        if not counts.rows:
            raise no_products(files.STANDARD_INPUT if source == files.STANDARD else source)
    for sentence in faults.sentences():
        tell(sentence)
    summary = {
        **asdict(counts),
        "written_rows": sum(counts.decisions[decision] for decision in wanted.decisions),
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


class _Output(NamedTuple):
    """Where answers go.

    Attributes:
        put: appends encoded rows, with how they were answered.
        before: rows that an earlier run has written already.
    """

    put: "Callable[[Any, ScoreCounts], None]"
    before: "ScoreCounts"


class _Workers(NamedTuple):
    """What answers: a function, and how many chunks it may be asked at once."""

    do: "Callable[[Chunk], Prepared]"
    at_once: int


@contextmanager
def _file_output(out: str, format_: "Format") -> "Iterator[_Output]":
    from prodclf_assets.classifier.scoring.score_table import NOTHING_SCORED

    with files.table_writer(out, format_) as writer:
        yield _Output(lambda rows, _: writer.put(rows), NOTHING_SCORED)


@contextmanager
def _folder_output(out: str, format_: "Format", made_from: str) -> "Iterator[_Output]":
    from prodclf_assets.classifier.scoring.part_folder import PartFolder
    from prodclf_assets.lake import open_store

    folder = PartFolder(open_store(out), format_, made_from)
    before = folder.counts
    if before.rows:
        tell(f"{before.rows:,} rows are in {out} already: going on behind them")
    with folder.writing() as parts:
        yield _Output(parts.put, before)


def _digest(source: str, mapping: "SourceConfig | None", *options: Any) -> str:
    """Names all that the answers follow from; the files of a source by what the disk or the bucket says of them."""
    from importlib.metadata import version

    from prodclf_assets.catalog.reading.sources import listed_files

    if source == files.STANDARD:
        raise click.BadParameter("standard input cannot be gone on with; give IN as a file", param_hint="OUT")
    listed = [(item.name, item.size, item.stamp) for item in listed_files(source)]
    text = json.dumps([version("prodclf"), listed, mapping.to_yaml() if mapping else None, options])
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _answering(
    work: "Callable[[Chunk, Bundle], Prepared]", bundle: "Bundle", folder: Path, ray_address: str | None
) -> "Iterator[_Workers]":
    """The cores of this machine, or a cluster's."""
    from prodclf_assets.classifier.kernels import available_cores

    if not ray_address:
        yield _Workers(lambda chunk: work(chunk, bundle), available_cores())
        return
    from prodclf_assets.ray_node.session import ray_session

    with ray_session(ray_address, cores=0):
        from prodclf_assets.cluster.workers import Workers

        workers = Workers(folder, work, bundle.holds)
        tell(f"answering on {workers.count} cores of the Ray cluster at {ray_address}")
        yield _Workers(workers.do, workers.count)
        if workers.lost:
            tell(f"{workers.lost} workers were lost on the way; what they had at hand was answered by others")


def _write(
    chunks: "Iterable[Chunk]", workers: _Workers, output: _Output, faults: "FaultTally"
) -> "ScoreCounts":
    """Answer and write all chunks, at once and in order."""
    from prodclf_assets.classifier.scoring.score_table import in_order

    total = output.before
    progress = Progress(None, "scored")
    for encoded, counts, wrong in in_order(workers.do, _behind(chunks, output.before.rows), workers.at_once):
        output.put(encoded, counts)
        total += counts
        faults.add(wrong)
        progress(total.rows)
    progress.end()
    return total


def _behind(chunks: "Iterable[Chunk]", rows: int) -> "Iterator[Chunk]":
    """The chunks behind so many rows, which end with a chunk."""
    for chunk in chunks:
        if rows > 0:
            rows -= len(chunk.rows)
        else:
            yield chunk


def _sentence(summary: dict[str, Any]) -> str:
    """What became of each row."""
    decided, rows, written = summary["decisions"], summary["rows"], summary["written_rows"]
    place = "" if summary["output"] == files.STANDARD else f" to {summary['output']}"
    wrong = summary["problem_rows"]
    lines = [
        f"scored {rows:,} rows with model {summary['model_version']}"
        + (f"; {wrong:,} rows had problems, see the column issues" if wrong else ""),
        *(f"  {decision:<8} {decided[decision]:>9,}  {what}" for decision, what in _BECAME.items()),
        f"  written  {written:>9,}  {'all of them' if written == rows else 'those asked for'}{place}",
    ]
    return "\n".join(lines)
