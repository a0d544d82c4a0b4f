"""Request bodies into products: read within a byte limit, parsed as JSON, CSV or NDJSON, bad items told apart."""

import io
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from prodclf_assets.catalog.product import Record
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig, check_columns, fitting_config
from prodclf_assets.catalog.reading.unpacking import HEAD_BYTES, is_packed, stranger, unpack
from prodclf_assets.errors import ProdclfError, SourceError
from prodclf_serving.api.request_context import headers_of
from prodclf_serving.problems import (
    ItemError,
    ProblemError,
    batch_too_large,
    body_too_large,
    invalid_items,
    malformed_body,
    unsupported_media_type,
)

if TYPE_CHECKING:
    from prodclf_assets.catalog.product import ProductBatch
    from prodclf_assets.catalog.product_columns import CellFault
    from prodclf_assets.catalog.reading.formats.csv_reader import CsvRecords

Format = Literal["json", "csv", "ndjson"]

MEDIA_TYPES: dict[str, Format] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
}
BODY_MEDIA_TYPES: dict[str, Format] = {
    **MEDIA_TYPES,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "csv",
    "application/vnd.oasis.opendocument.spreadsheet": "csv",
    "application/vnd.ms-excel": "csv",
    "application/zip": "csv",
}
"""The same and what is unpacked to CSV."""
MOST_UNPACKED_BYTES: Final = 64 * 1024 * 1024


COLUMNS_HEADER: Final = "prodclf-columns"
"""Of a request and of its answer: which column of a table is which field, as a JSON object."""
NO_COLUMNS: Final[Mapping[str, str]] = {}

MOST_COLUMNS = 500
"""Columns of a CSV body; more is answered 422."""
_MOST_LINES_A_ROW = 50
"""Lines of text that a product may have on average, blank ones included."""


@dataclass(frozen=True, eq=False)
class CsvBody:
    """A CSV body in columns.

    Attributes:
        names: of the columns, in order.
        records: the cells, and what is broken.
        columns: the field of a product that a column is, and its position; as far as there is one.
    """

    names: list[str]
    records: "CsvRecords"
    columns: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.records.lines)

    @property
    def broken(self) -> dict[int, str]:
        """What was wrong with the line of a row that could be read in part, by row."""
        return {issue.record: issue.message for issue in self.records.issues if issue.record is not None}

    def products(self) -> "tuple[ProductBatch, list[CellFault]]":
        """The rows as products, and what of them could not be used."""
        # Here and not above: a replica that is never sent CSV does without Arrow.
        from prodclf_assets.catalog.product_columns import products_of

        return products_of({field: self.records.columns[at] for field, at in self.columns.items()}, len(self))

    def product_ids(self) -> Sequence[str]:
        """The id of each product, "" where there is none."""
        if "product_id" not in self.columns:
            return [""] * len(self)
        from prodclf_assets.catalog.text.arrays import packed, text_column

        return packed(text_column(self.records.columns[self.columns["product_id"]]).fill_null(""))


@dataclass(frozen=True)
class ParsedBatch:
    """The items of a batch in their order: a record each, or why there is none.

    Attributes:
        items: records by field name, or errors.
        lines: line of each item in the body, from 1; None for a JSON array, which has none.
        broken: what was wrong with the line of an item that could be read in part, by its row.
    """

    items: list[Record | ItemError]
    lines: list[int] | None = None
    broken: Mapping[int, str] = field(default_factory=dict)


def content_type(scope: Scope) -> tuple[str, str]:
    """Media type and character set of the body; JSON and UTF-8 where nothing is said."""
    raw = headers_of(scope).get(b"content-type", b"").decode("latin-1")
    if raw == "application/json":
        return raw, "utf-8"
    media_type, _, parameters = raw.partition(";")
    charset = "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value:
            charset = value.strip().strip('"').lower()
    return media_type.strip().lower() or "application/json", charset


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        ProblemError: 413 when it has more than `limit` bytes; 415 when it is compressed.
        ClientDisconnect: the client has gone before its end.
    """
    headers = headers_of(scope)
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise unsupported_media_type(f"content-encoding {encoding}", ("an uncompressed body",))
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise body_too_large(limit)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise body_too_large(limit)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text; NaN, infinities and numbers out of range become texts, for their field to refuse.

    Raises:
        ProblemError: 400 with line and column, when it is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # `NaN` and `Infinity` are not JSON, but Python's own encoder writes them: one such cell must not
        # refuse a whole batch. The detour through bytes drops what could not be sent back (lone surrogates).
        try:
            lenient = json.loads(
                body.decode(), parse_constant=str, parse_float=_finite_or_text, parse_int=_int_or_text
            )
            return orjson.loads(orjson.dumps(lenient))
        except (ValueError, TypeError, RecursionError):
            raise malformed_body(f"the body is not valid JSON: {error}") from error


async def read_product(scope: Scope, receive: Receive, limit: int) -> Record:
    """The one product of a request.

    Raises:
        ProblemError: 415 when it is not called JSON, and what `read_body` and `parse_product` raise.
    """
    media_type, _ = content_type(scope)
    if media_type != "application/json":
        raise unsupported_media_type(media_type, ("application/json",))
    return parse_product(await read_body(scope, receive, limit))


def parse_product(body: bytes) -> Record:
    """The product of a JSON body.

    Raises:
        ProblemError: 400 when it is not JSON, 422 when it is not an object.
    """
    value = parse_json(body)
    if not isinstance(value, dict):
        raise invalid_items([ItemError(0, None, f"expected an object with a title, got {_kind(value)}")])
    return value


def parse_batch(
    body: bytes, format_: Format, charset: str, max_rows: int, columns: Mapping[str, str] = NO_COLUMNS
) -> ParsedBatch:
    """The products of a `/predict/batch` body; `columns` as for `parse_csv`.

    Raises:
        ProblemError: 400 when the body cannot be read as its format, 413 when it holds more than `max_rows` products,
            422 when it is JSON but no array, or CSV without a title column.
    """
    if format_ == "json":
        return _parse_array(body, max_rows)
    return (
        _parse_ndjson(body, max_rows)
        if format_ == "ndjson"
        else _as_batch(parse_csv(body, charset, max_rows, columns))
    )


def _parse_array(body: bytes, max_rows: int) -> ParsedBatch:
    value = parse_json(body)
    if not isinstance(value, list):
        raise ProblemError(422, "not-an-array", f"expected a JSON array of products, got {_kind(value)}")
    if len(value) > max_rows:
        raise batch_too_large(len(value), max_rows)
    return ParsedBatch([_as_item(row, item, None) for row, item in enumerate(value)])


def _refuse_endless(body: bytes, max_rows: int) -> None:
    """Refuse a body of so many lines that it cannot be a batch within the limit, before each costs time and memory.

    Raises:
        ProblemError: 413.
    """
    lines = max(body.count(b"\n"), body.count(b"\r"))
    if lines > _MOST_LINES_A_ROW * max_rows:
        raise batch_too_large(lines, max_rows)


def _parse_ndjson(body: bytes, max_rows: int) -> ParsedBatch:
    _refuse_endless(body, max_rows)
    numbered = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if len(numbered) > max_rows:
        raise batch_too_large(len(numbered), max_rows)
    items: list[Record | ItemError] = []
    for row, (number, line) in enumerate(numbered):
        try:
            items.append(_as_item(row, parse_json(line), number))
        except ProblemError:
            items.append(ItemError(row, None, "the line is not valid JSON", number))
    return ParsedBatch(items, [number for number, _ in numbered])


def parse_csv(body: bytes, charset: str, max_rows: int, columns: Mapping[str, str] = NO_COLUMNS) -> CsvBody:
    """Read by the reader that files are read by, which loses no row: of a broken line it keeps what is there.

    A workbook, or an archive of one table, is read as what it holds, whatever it is called.

    Args:
        body: the bytes.
        charset: of text that is not UTF-8.
        max_rows: most products.
        columns: the column of each field that is said; the others are recognised by usual names.

    Raises:
        ProblemError: 400 when the body cannot be read, 413 when it holds more than `max_rows` products, 422 when no column
            is a title, or there are too many.
    """
    from prodclf_assets.catalog.reading.columns.content import poor_columns
    from prodclf_assets.catalog.reading.formats.csv_reader import read_csv_columns

    if is_packed(body[:HEAD_BYTES]):
        body = _unpacked(body)
    elif what := stranger(body[:HEAD_BYTES]):
        raise malformed_body(f"the body is {what} and no table; send CSV, a workbook or JSON")
    _refuse_endless(body, max_rows)
    try:
        names, records = read_csv_columns(_as_utf8(body, charset), MOST_COLUMNS)
    except SourceError as error:
        raise ProblemError(422, "too-many-columns", str(error), {"limit_columns": MOST_COLUMNS}) from error
    if not names:
        raise malformed_body("the CSV body is empty; its first line must name the columns, title among them")
    places = _column_map(names, poor_columns(zip(names, records.columns, strict=False)), columns)
    if len(records.lines) > max_rows:
        raise batch_too_large(len(records.lines), max_rows)
    return CsvBody(names, records, places)


def _unpacked(body: bytes) -> bytes:
    try:
        _, data = unpack(io.BytesIO(body), "the body", (".csv", ".tsv"), MOST_UNPACKED_BYTES)
    except SourceError as error:
        raise malformed_body(str(error)) from error
    return data


def _as_batch(table: CsvBody) -> ParsedBatch:
    """The rows one by one, for answers that are not CSV."""
    fields = list(table.columns)
    cells = [table.records.columns[at].to_pylist() for at in table.columns.values()]
    items: list[Record | ItemError] = [
        dict(zip(fields, row, strict=True)) for row in zip(*cells, strict=True)
    ]
    return ParsedBatch(items, table.records.lines.tolist(), table.broken)


def _as_utf8(body: bytes, charset: str) -> bytes:
    if charset in ("utf-8", "utf8"):
        from prodclf_assets.catalog.reading.formats.encoding import to_utf8

        return to_utf8(body)[0]
    try:
        return body.decode(charset).encode()
    except (UnicodeError, LookupError) as error:
        raise malformed_body(
            f"the CSV body is not {charset} text ({error}); send UTF-8, or name its charset in Content-Type"
        ) from error


def _column_map(header: list[str], poor: Collection[str], said: Mapping[str, str]) -> dict[str, int]:
    """Which column of a CSV file is which field: as it is said, else by the same inference as for files.

    Raises:
        ProblemError: 422 when no column is a title, or one that is said is not there.
    """
    try:
        given = SourceConfig.model_validate({"columns": dict(said)})
        config = fitting_config(["the table"], [header], [poor], given, require_labels=False)
        check_columns(config, header, require_labels=False, file="the table")
    except ValidationError as error:
        detail = f"{COLUMNS_HEADER} names what is no field of a product: {error.errors()[0]['msg']}"
        raise ProblemError(422, "no-such-field", detail) from error
    except ProdclfError as error:
        raise ProblemError(422, "no-title-column", str(error), {"columns": header[:100]}) from error
    positions = {name: at for at, name in enumerate(header)}
    return {field: positions[name] for field, name in config.columns.items()}


def said_columns(scope: Scope) -> Mapping[str, str]:
    """The column of each field that the request names.

    Raises:
        ProblemError: 400 when the header is no JSON object of texts.
    """
    raw = headers_of(scope).get(COLUMNS_HEADER.encode())
    if raw is None:
        return NO_COLUMNS
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise ProblemError(
            400,
            "malformed-header",
            f'{COLUMNS_HEADER} is no JSON object of column names, such as {{"title": "Name"}}',
        )
    return found


def _as_item(row: int, value: Any, line: int | None) -> Record | ItemError:
    if isinstance(value, dict):
        return value
    return ItemError(row, None, f"expected an object with a title, got {_kind(value)}", line)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "an array", str: "a text", bool: "true or false"}
    return kinds.get(type(value), "a number")


def _finite_or_text(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _int_or_text(text: str) -> int | str:
    return int(text) if len(text) <= 18 else text
