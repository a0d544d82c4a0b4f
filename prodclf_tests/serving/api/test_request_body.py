import asyncio
import csv
import io
import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from prodclf_assets.catalog.product import ProductBatch
from prodclf_serving.api.request_body import (
    content_type,
    parse_batch,
    parse_csv,
    parse_json,
    parse_product,
    read_body,
)
from prodclf_serving.problems import ItemError, ProblemError


def _request(headers: dict[str, str], *chunks: bytes):
    """Scope and messages of a request whose client goes away when it has sent these chunks."""
    messages: list[dict] = [
        {"type": "http.request", "body": chunk, "more_body": at + 1 < len(chunks)}
        for at, chunk in enumerate(chunks)
    ]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": raw}, receive


def _outcome(call, *arguments):
    """What a call returns and None, or None and the status of the problem it raises."""
    try:
        return call(*arguments), None
    except ProblemError as problem:
        return None, problem.status


def _status(call, *arguments) -> int:
    with pytest.raises(ProblemError) as caught:
        call(*arguments)
    return caught.value.status


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/csv; charset=latin-1", ("text/csv", "latin-1")),
        ('Text/CSV; header=present; Charset="UTF-8"', ("text/csv", "utf-8")),
        ("", ("application/json", "utf-8")),
        ("application/json;", ("application/json", "utf-8")),
    ],
)
def test_content_type_and_charset(header, expected):
    assert content_type(_request({"content-type": header})[0]) == expected


def test_a_body_is_read_whole_however_it_is_cut():
    assert asyncio.run(read_body(*_request({}, b"ab", b"", b"cd"), limit=4)) == b"abcd"


def test_a_client_that_leaves_before_the_end_is_noticed():
    with pytest.raises(ClientDisconnect):
        asyncio.run(read_body(*_request({}), limit=4))


@pytest.mark.parametrize(
    ("headers", "chunks", "status"),
    [
        ({"content-length": "5"}, (b"",), 413),
        ({}, (b"abc", b"de"), 413),
        ({"content-encoding": "gzip"}, (b"abc",), 415),
    ],
)
def test_a_body_over_the_limit_or_compressed_is_refused(headers, chunks, status):
    with pytest.raises(ProblemError) as caught:
        asyncio.run(read_body(*_request(headers, *chunks), limit=4))
    assert caught.value.status == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"title": "a" "b"}',
        b"\xff\xfe",
        b"[" * 5000 + b"]" * 5000,
        b'{"title": "\\ud800", "price": NaN}',
        b'{"title": "a\x00b"}',
    ],
)
def test_what_is_not_json_is_a_400_that_says_where(body):
    with pytest.raises(ProblemError) as caught:
        parse_json(body)
    assert caught.value.status == 400
    assert "line" in caught.value.detail


def test_non_finite_numbers_reach_their_field_as_texts():
    body = b'{"title": "a", "price": NaN, "rating": -Infinity, "list_price": 1e999, "reviews_count": 1%s}' % (
        b"0" * 400
    )
    record = parse_json(body)
    assert record["price"] == "NaN"
    assert record["rating"] == "-Infinity"
    assert record["list_price"] == "1e999"
    assert record["reviews_count"].startswith("1000")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_whatever_python_writes_as_json_is_read_or_refused_and_can_be_sent_back(value):
    import json

    body = json.dumps(value).encode()
    parsed, status = _outcome(parse_json, body)
    assert status in (None, 400)
    orjson.dumps(parsed)


@given(st.binary(max_size=200), st.sampled_from(["json", "csv", "ndjson"]))
def test_no_bytes_break_the_parsers(body, format_):
    parsed, status = _outcome(parse_batch, body, format_, "utf-8", 100)
    assert status in (None, 400, 413, 422)
    assert parsed is None or all(isinstance(item, dict | ItemError) for item in parsed.items)


@pytest.mark.parametrize("body", [b"[]", b"3", b"null", b'"title"', b"true"])
def test_a_single_product_must_be_an_object(body):
    assert _status(parse_product, body) == 422


def test_a_json_array_keeps_order_and_tells_strangers_apart():
    parsed = parse_batch(b'[{"title": "a"}, 3, {"title": "b"}, null]', "json", "utf-8", 10)
    assert parsed.items[0] == {"title": "a"}
    assert parsed.items[2] == {"title": "b"}
    assert parsed.items[1] == ItemError(1, None, "expected an object with a title, got a number")
    assert isinstance(parsed.items[3], ItemError)
    assert parsed.lines is None


@pytest.mark.parametrize("body", [b'{"title": "a"}', b"3"])
def test_a_json_batch_must_be_an_array(body):
    assert _status(parse_batch, body, "json", "utf-8", 10) == 422


@pytest.mark.parametrize(
    ("body", "format_"),
    [
        (b'[{"title": "a"}, {"title": "b"}]', "json"),
        (b"title\na\nb\n", "csv"),
        (b'{"title":"a"}\n{"title":"b"}', "ndjson"),
    ],
)
def test_more_rows_than_the_limit_are_refused_with_both_numbers(body, format_):
    with pytest.raises(ProblemError) as caught:
        parse_batch(body, format_, "utf-8", 1)
    assert caught.value.status == 413
    assert caught.value.extra == {"limit_rows": 1, "rows": 2}


def test_ndjson_reports_a_bad_line_and_reads_the_rest():
    parsed = parse_batch(b'{"title": "a"}\n\n{bad}\r\n[1]\n{"title": "b"}\n', "ndjson", "utf-8", 10)
    assert parsed.lines == [1, 3, 4, 5]
    assert parsed.items[0] == {"title": "a"}
    assert parsed.items[1] == ItemError(1, None, "the line is not valid JSON", 3)
    assert isinstance(parsed.items[2], ItemError)
    assert parsed.items[3] == {"title": "b"}


def test_csv_columns_are_found_by_usual_names_and_cells_kept_as_they_came():
    body = 'SKU,Product Name,MRP,colour\r\n1,"Bottle, 1 l","₹32,999",red\r\n2,Rice,,\r\n'.encode("utf-8-sig")
    parsed = parse_batch(body, "csv", "utf-8", 10)
    assert parsed.items == [
        {"product_id": "1", "title": "Bottle, 1 l", "list_price": "₹32,999"},
        {"product_id": "2", "title": "Rice", "list_price": ""},
    ]
    table = parse_csv(body, "utf-8", 10)
    assert table.names == ["SKU", "Product Name", "MRP", "colour"]
    assert [column[0].as_py() for column in table.records.columns] == ["1", "Bottle, 1 l", "₹32,999", "red"]
    products, faults = table.products()
    assert (products.title, products.list_price[0], faults) == (["Bottle, 1 l", "Rice"], 32999.0, [])
    assert table.product_ids() == ["1", "2"]


def test_csv_lines_are_those_a_text_editor_shows():
    body = b'title,price\n"two\nlines",1\n\ncut short\nb,2,3\nc,3\n'
    parsed = parse_batch(body, "csv", "utf-8", 10)
    assert parsed.lines == [2, 5, 6, 7]
    assert parsed.items[0] == {"title": "two\nlines", "price": "1"}
    assert parsed.items[1] == {"title": "cut short", "price": None}
    assert parsed.items[2] == {"title": "b", "price": "2"}
    assert set(parsed.broken) == {1, 2}
    assert "1 of 2" in parsed.broken[1]
    assert parse_csv(body, "utf-8", 10).broken == parsed.broken


CSV_CELLS = st.sampled_from(
    ["Tea", "", "N/A", "a &amp; b", "5", "₹1,299", "abc", "-3", "1e400", "nan", "Café", "x" * 99]
)


@given(st.lists(st.tuples(CSV_CELLS, CSV_CELLS, CSV_CELLS), min_size=1, max_size=8))
def test_csv_in_columns_gives_the_products_and_faults_of_its_records(
    rows: list[tuple[str, str, str]],
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("title", "price", "rating"), *rows])
    body = text.getvalue().encode()
    batch, issues = ProductBatch.from_records(parse_batch(body, "csv", "utf-8", 10).items)
    products, faults = parse_csv(body, "utf-8", 10).products()
    assert (products.title, products.brand) == (batch.title, batch.brand)
    np.testing.assert_array_equal([products.price, products.rating], [batch.price, batch.rating])
    listed = [
        (fault.row, fault.field, fault.message) for fault in sorted(faults, key=lambda fault: fault.row)
    ]
    assert listed == [(issue.row, issue.field, issue.message) for issue in issues]


def test_csv_in_another_charset_is_read_when_it_is_named():
    body = "title\nCafé crème\n".encode("latin-1")
    assert parse_batch(body, "csv", "latin-1", 10).items == [{"title": "Café crème"}]
    assert parse_batch(body, "csv", "utf-8", 10).items == [{"title": "Café crème"}]
    assert _status(parse_batch, body, "csv", "klingon", 10) == 400
    assert _status(parse_batch, body, "csv", "ascii", 10) == 400


def test_csv_without_a_title_column_or_without_anything_is_refused():
    assert _status(parse_batch, b"a,b\n1,2\n", "csv", "utf-8", 10) == 422
    assert _status(parse_batch, b"\n\n", "csv", "utf-8", 10) == 400


def test_a_csv_cell_may_be_long():
    parsed = parse_batch(b"title\n" + b"x" * 500_000 + b"\n", "csv", "utf-8", 10)
    assert len(parsed.items) == 1


def test_numbers_that_fit_stay_numbers_beside_one_that_does_not():
    record = parse_json(b'{"price": 12.5, "rating": NaN, "reviews_count": 12}')
    assert math.isclose(record["price"], 12.5)
    assert record["reviews_count"] == 12
