"""Whatever is sent: no 5xx, no hang, and every refusal a problem document that names what it can."""

import json
import random
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.schemas import BaseSchema

from prodclf_serving.api.app import build_app
from prodclf_serving.api.schemas import Problem
from prodclf_serving.service import Service
from prodclf_tests.serving.conftest import Send, like, sender

JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"
HERE = {"host": "localhost"}
MEGA = 1_000_000
POSTED = ["/predict", "/predict/batch", "/explain", "/feedback"]
READ = ["/", "/health", "/ready", "/model", "/categories", "/metrics"]
QUICK = settings(max_examples=40, suppress_health_check=list(HealthCheck), phases=(Phase.generate,))

load_all_checks()
# A value that cannot be used counts as missing and is named in `issues`, and in a batch a bad item gets an error of its
# own, so a body that breaks the schema may well be answered; a title of spaces fits the schema and is refused.
BY_DESIGN = CHECKS.get_by_names(["negative_data_rejection", "positive_data_acceptance"])


@pytest.fixture(scope="module")
def schema(app: FastAPI) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=HERE)


@pytest.mark.parametrize("path", READ)
def test_what_is_read_is_as_the_document_says(schema, path):
    @settings(QUICK, max_examples=1)
    @given(case=schema[path]["GET"].as_strategy())
    def check(case: Case) -> None:
        assert case.call_and_validate(headers=HERE).status_code == 200

    check()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("path", POSTED)
def test_what_is_posted_is_answered_as_the_document_says(schema, path, mode, service):
    @QUICK
    @given(case=schema[path]["POST"].as_strategy(generation_mode=mode))
    def check(case: Case) -> None:
        status = case.call_and_validate(headers=HERE, excluded_checks=BY_DESIGN).status_code
        # What breaks the schema may break its `maxItems`.
        batch = path == "/predict/batch" and isinstance(case.body, list)
        too_many = batch and len(case.body) > service.config.serving.max_batch_rows
        assert status == 413 if too_many else status in {200, 201, 400, 422}

    check()


@pytest.fixture(scope="module")
def wide_open(service: Service, served_home) -> Iterator[Send]:
    """Send to an application with the limits that are in force unless told otherwise."""
    with like(service, served_home, prediction_log=0) as own:
        yield sender(build_app(own))


def ordered(response: httpx.Response) -> None:
    """Assert that an answer is one, or a problem that says where."""
    assert response.status_code < 500, response.text[:500]
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(response.json())
    assert problem.status == response.status_code
    assert 10 < len(problem.detail) < 2_000
    if problem.type.endswith(("invalid-product", "unknown-category")):
        assert problem.errors
        assert all(error.row == 0 for error in problem.errors)


def titled(title: str, **fields: object) -> bytes:
    return json.dumps({"title": title, **fields}).encode()


HOSTILE = {
    "a megabyte of one word": titled("x" * MEGA),
    "a megabyte of spaces": titled(" " * MEGA),
    "words without end": titled(" ".join(f"w{number}" for number in range(100_000))),
    "entities in entities": titled("&" + "amp;" * MEGA),
    "a letter that unfolds": titled("\ufdfa" * 200_000),
    "accents on accents": titled("a" + "\u0301\u0323" * 200_000),
    "families": titled("👨‍👩‍👧‍👦" * 20_000),
    "right to left and back": titled("\u202e\u202d" + "شاي " * 50_000),
    "null bytes": titled("tea\0\0\0", brand="\0", category="\0"),
    "half a character": b'{"title": "tea \\ud83d", "category": "\\udc00"}',
    "nesting": b'{"title":' * 100_000 + b"1" + b"}" * 100_000,
    "nested lists": b"[" * 100_000 + b"]" * 100_000,
    "nesting beside NaN": b'{"title": "a", "price": NaN, "x":' + b"[" * 900 + b"]" * 900 + b"}",
    "not a number": b'{"title": "tea", "price": NaN, "rating": -Infinity, "reviews_count": 1e999}',
    "a number of a million digits": b'{"title": "tea", "price": ' + b"9" * MEGA + b"}",
    "a price of a million commas": titled("tea", price="1," * 500_000, rating="." * MEGA, list_price="₹ " * MEGA),
    "wrong types": b'{"title": {"a": 1}, "brand": [], "price": {}, "rating": true, "category": 1}',
    "many fields": json.dumps({"title": "tea", **{f"k{number}": number for number in range(100_000)}}).encode(),
    "the same field again and again": b"{" + b'"title": "a",' * 100_000 + b'"title": "b"}',
    "UTF-16": '{"title": "tea"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"title": "tea"}',
    "Latin-1": '{"title": "thé"}'.encode("latin-1"),
    "nothing": b"",
    "a literal": b"null",
    "a text": b'"tea"',
    "a comment": b'{"title": "tea"} // mine',
}  # fmt: skip


@pytest.mark.parametrize("path", ["/predict", "/explain", "/feedback"])
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(60)
def test_no_product_is_too_much(wide_open, path, name):
    ordered(wide_open("POST", path, content=HOSTILE[name], headers={"content-type": JSON}))


BATCHES = {
    "a list of nothings": (b"[" + b"null," * 9_999 + b"null]", JSON),
    "too long a list": (b"[" + b"0," * MEGA + b"0]", JSON),
    "lists in lists": (b"[" * 100_000 + b"]" * 100_000, JSON),
    "an object": (b'{"title": "tea"}', JSON),
    "one endless line": (b"title\n" + b"x" * MEGA, CSV),
    "empty lines": (b"title\n" + b"\n" * 5 * MEGA, CSV),
    "lone returns": (b"title\r" + b"\r" * 5 * MEGA, CSV),
    "a quote that never closes": (b'title\n"' + b"x,\n" * 100_000, CSV),
    "quotes in the wrong place": (b"title\n" + b'"a"b"\n' * 100_000, CSV),
    "nothing but quotes": (b"title\n" + b'"' * MEGA, CSV),
    "a million columns": (b"title," * MEGA + b"\nx\n", CSV),
    "a million columns below a quoted line": (b'"a\nb"' + b",title" * MEGA + b"\nx\n", CSV),
    "null bytes in a table": (b"title\n" + b"\0" * 100_000 + b"\n", CSV),
    "every byte": (b"title\n" + bytes(range(256)) * 100, CSV),
    "noise": (b"title\n" + random.Random(1).randbytes(200_000), CSV),
    "UTF-16 text": ("title\nthé\n".encode("utf-16"), CSV),
    "UTF-16, and said so": ("title\nthé\n".encode("utf-16"), f"{CSV}; charset=utf-16"),
    "no such charset": (b"title\ntea\n", f"{CSV}; charset={'a' * 200}"),
    "a charset that is none": (b"title\ntea\n", f"{CSV}; charset=zlib"),
    "an escaping charset": (b"title\n\\ud800\n", f"{CSV}; charset=unicode_escape"),
    "a slow charset": (b"title\n" + b"a-" * 100_000, f"{CSV}; charset=punycode"),
    "blank lines": (b"\n" * 5 * MEGA, NDJSON),
    "lines of junk": (b"x\n" * 9_999, NDJSON),
    "lines without end": (b"1\n" * MEGA, NDJSON),
    "no format": (b"title\ntea\n", "text/plain; x=" + "y" * 1_000),
}


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.timeout(60)
def test_no_batch_is_too_much(wide_open, name):
    body, content_type = BATCHES[name]
    ordered(wide_open("POST", "/predict/batch", content=body, headers={"content-type": content_type}))


@settings(QUICK, max_examples=150)
@given(
    path=st.sampled_from(POSTED),
    content_type=st.sampled_from([JSON, CSV, NDJSON, f"{CSV}; charset=utf-16le", "", "image/png"]),
    accept=st.sampled_from(["", CSV, NDJSON, "nonsense/;;q=,"]),
    request_id=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300),
    body=st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [*'{}[]",:\\', "title", '"title":', "\n", "\r", "\0", "NaN", "\ud800", "é", "🍵", ";", "\t"]
        )
    ).map(lambda parts: "".join(parts).encode(errors="surrogatepass")),
)
def test_no_bytes_break_it(send, path, content_type, accept, request_id, body):
    headers = {"content-type": content_type, "accept": accept, "x-request-id": request_id}
    ordered(send("POST", path, content=body, headers=headers))
