"""Where commands read tables from and write them to: files by suffix, or standard input and output."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prodclf_assets.errors import ProdclfError, SourceError, disk_fault

if TYPE_CHECKING:
    from prodclf_assets.catalog.product_stream import Chunk
    from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
    from prodclf_assets.catalog.reading.formats.writers import Format, TableWriter

STANDARD = "-"
STANDARD_INPUT = "standard input"


def output_format(out: str | Path, chosen: "Format | None") -> "Format":
    """The format that the suffix names, else the one chosen; CSV on standard output. Neither is wrong use."""
    from prodclf_assets.catalog.reading.formats.writers import format_of

    if str(out) == STANDARD:
        return chosen or "csv"
    try:
        return format_of(out)
    except SourceError as error:
        if chosen is not None:
            return chosen
        raise click.BadParameter(str(error), param_hint="OUT") from error


def check_not_input(source: str, out: str) -> None:
    """Refuse to write over a file that is read.

    Raises:
        click.BadParameter: OUT is one of the files of IN.
        SourceError: IN is not there.
    """
    from prodclf_assets.catalog.reading.sources import listed_files

    if STANDARD in (source, out) or source.startswith("s3://") or not Path(out).exists():
        return
    if any(Path(out).samefile(file.name) for file in listed_files(source)):
        raise click.BadParameter(f"{out} is what is read, and would be lost: name another", param_hint="OUT")


@contextmanager
def table_writer(out: str, format_: "Format") -> "Iterator[TableWriter]":
    """Open a file that appears only when complete, or standard output.

    Raises:
        SourceError: the disk is full or cannot be written to.
    """
    from prodclf_assets.catalog.reading.formats.writers import open_writer, stream_writer

    try:
        if out == STANDARD:
            with stream_writer(sys.stdout.buffer, format_) as writer:
                yield writer
            sys.stdout.buffer.flush()
        else:
            with open_writer(out, format_) as writer:
                yield writer
    except OSError as error:
        fault = disk_fault(error, "standard output" if out == STANDARD else out)
        if fault is None:
            raise
        raise SourceError(fault) from error


@contextmanager
def open_source(
    source: str, config: "SourceConfig | None", format_: "Format | None"
) -> "Iterator[Iterator[Chunk]]":
    """Open products to be scored: a source as the graph knows them, or standard input."""
    from prodclf_assets.catalog import product_stream

    if source != STANDARD:
        with product_stream.open_source(source, config) as chunks:
            yield chunks
        return
    with _standard_input_as_file(format_ or "csv") as path:
        try:
            with product_stream.open_source(str(path), config, name=STANDARD_INPUT) as chunks:
                yield chunks
        except ProdclfError as error:
            raise type(error)(str(error).replace(str(path), STANDARD_INPUT)) from error


@contextmanager
def _standard_input_as_file(format_: "Format") -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="prodclf-") as folder:
        path = Path(folder) / f"input.{format_}"
        with path.open("wb") as file:
            while block := sys.stdin.buffer.read(1 << 20):
                file.write(block)
        yield path
