"""Where commands read tables from and write them to: files by suffix, or standard input and output."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prodclf_assets.errors import ProdclfError, SourceError

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


def table_writer(out: str, format_: "Format") -> "AbstractContextManager[TableWriter]":
    """Open a file that appears only when complete, or standard output."""
    from prodclf_assets.catalog.reading.formats.writers import open_writer, stream_writer

    if out == STANDARD:
        return stream_writer(sys.stdout.buffer, format_)
    return open_writer(out, format_)


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
