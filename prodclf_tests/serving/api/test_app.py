"""The HTTP contract, on a real bundle from a real registry."""

import csv
import io
import json

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import FORMAT_VERSION
from prodclf_assets.classifier.scoring.score_table import SCORE_COLUMNS
from prodclf_assets.settings import Settings
from prodclf_serving.api.app import build_app
from prodclf_serving.api.schemas import (
    BatchAnswer,
    Categories,
    FailedItem,
    Identity,
    ModelState,
    Prediction,
    Ready,
)
from prodclf_serving.service import Service
from prodclf_serving.settings import ServiceConfig, ServingSettings
from prodclf_tests.catalog.reading.workbooks import xlsx
from prodclf_tests.serving.conftest import at_once, problem_of, sender

BOTTLE = {
    "product_id": "A-1",
    "title": "Stainless steel water bottle, 1 litre",
    "price": "₹499",
    "brand": "Milton",
}


def test_a_prediction_says_everything_the_contract_names(send, service):
    response = send("POST", "/predict", json=BOTTLE)
    assert response.status_code == 200
    prediction = Prediction.model_validate(response.json())
    assert prediction.product_id == "A-1"
    assert prediction.category in service.model().bundle.labels
    assert " > ".join(prediction.path) == prediction.category
    assert prediction.category.startswith(prediction.branch)
    assert prediction.model_version == "1"
    assert not prediction.degraded
    assert prediction.issues is None
    assert prediction.request_id == response.headers["x-request-id"]
    probabilities = [entry.probability for entry in prediction.probabilities]
    assert len(probabilities) == 3
    assert probabilities == sorted(probabilities, reverse=True)
    assert prediction.probabilities[0].category == prediction.category
    assert prediction.probabilities[0].probability == prediction.confidence


def test_probabilities_are_the_bundles_to_the_last_bit(send, service):
    batch, _ = ProductBatch.from_records([BOTTLE])
    expected = service.model().bundle.predict(batch, 3)
    found = send("POST", "/predict", json=BOTTLE).json()
    assert found["confidence"] == expected.confidence[0]
    probabilities = [entry["probability"] for entry in found["probabilities"]]
    assert probabilities == expected.top_probabilities[0].tolist()


def test_a_request_id_is_echoed_or_made(send):
    answer = send("POST", "/predict", json=BOTTLE, headers={"X-Request-ID": "mine/1"})
    assert answer.json()["request_id"] == "mine/1"
    made = {send("GET", "/health").headers["x-request-id"] for _ in range(2)}
    assert len(made) == 2


def test_values_that_cannot_be_used_count_as_missing_and_are_named(send):
    broken = BOTTLE | {"price": "abc", "rating": 1e300, "brand": ["Milton"], "colour": "ignored"}
    found = send("POST", "/predict", json=broken).json()
    assert [issue["field"] for issue in found["issues"]] == ["brand", "price", "rating"]
    without = {name: value for name, value in BOTTLE.items() if name not in ("price", "brand")}
    assert found["confidence"] == send("POST", "/predict", json=without).json()["confidence"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_non_finite_numbers_are_missing_not_a_failure(send, number):
    body = f'{{"title": "Rice 5 kg", "price": {number}}}'.encode()
    found = send("POST", "/predict", content=body, headers={"content-type": "application/json"})
    assert found.status_code == 200
    without = send("POST", "/predict", json={"title": "Rice 5 kg"})
    assert found.json()["confidence"] == without.json()["confidence"]


@pytest.mark.parametrize("title", ["", "   ", None, "\u200b", "n/a", ["a"], {"a": 1}, True])
def test_a_product_without_a_title_is_a_422_that_names_row_and_field(send, title):
    problem = problem_of(send("POST", "/predict", json={"title": title}), 422)
    assert problem.errors is not None
    assert (problem.errors[0].row, problem.errors[0].field) == (0, "title")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/predict", b"{", {}, 400),
        ("/predict", b"", {}, 400),
        ("/predict", b"\xff", {}, 400),
        ("/predict", b"[]", {}, 422),
        ("/predict", b"title\nRice\n", {"content-type": "text/csv"}, 415),
        ("/predict", b"{}", {"content-encoding": "gzip"}, 415),
        ("/predict", b'{"title": "%b"}' % (b"x" * 300_000), {}, 413),
        ("/predict/batch", b'{"title": "x"}', {}, 422),
        ("/predict/batch", b"[", {}, 400),
        ("/predict/batch", b"", {"content-type": "text/csv"}, 400),
        ("/predict/batch", b"colour\nred\n", {"content-type": "text/csv"}, 422),
        ("/predict/batch", b"title\nx\n", {"content-type": "text/csv; charset=none-such"}, 400),
        ("/predict/batch", b"<product/>", {"content-type": "application/xml"}, 415),
    ],
)
def test_a_body_that_cannot_be_read_is_aproblem_of(send, path, body, headers, status):
    problem_of(send("POST", path, content=body, headers=headers), status)


def test_a_limit_that_is_passed_is_named(send):
    assert send("POST", "/predict", json={"title": "x" * 300_000}).json()["limit_bytes"] == 200_000
    found = send("POST", "/predict/batch", json=[{"title": "x"}] * 301)
    assert problem_of(found, 413).model_dump()["limit_rows"] == 300


def test_unknown_paths_and_methods_are_problems_too(send):
    problem_of(send("GET", "/nowhere"), 404)
    found = send("GET", "/predict")
    problem_of(found, 405)
    assert found.headers["allow"] == "POST"


def test_one_bad_item_of_a_batch_gets_its_error_and_the_rest_are_answered_in_order(send):
    batch = [
        BOTTLE,
        {"product_id": 7, "title": ""},
        "text",
        {"product_id": "B", "title": "Basmati rice 5 kg"},
    ]
    answer = BatchAnswer.model_validate(send("POST", "/predict/batch", json=batch).json())
    first, second, third, fourth = answer.predictions
    assert (answer.rows, answer.failed) == (4, 2)
    assert [type(each) for each in answer.predictions] == [Prediction, FailedItem, FailedItem, Prediction]
    assert (first.product_id, fourth.product_id) == ("A-1", "B")
    assert (second.product_id, second.error.row, second.error.field) == (7, 1, "title")
    assert (third.error.row, third.error.field) == (2, None)


def test_a_batch_answers_each_product_as_it_would_alone(send):
    products = [{"title": f"Organic tea bags, pack of {number}", "price": number} for number in range(150)]
    batch = send("POST", "/predict/batch", json=products).json()["predictions"]
    alone = send("POST", "/predict", json=products[149]).json()
    assert len(batch) == 150
    assert batch[149]["probabilities"] == alone["probabilities"]
    assert batch[149]["category"] == alone["category"]


def test_an_empty_batch_is_answered_empty(send):
    answer = send("POST", "/predict/batch", json=[]).json()
    assert (answer["predictions"], answer["rows"], answer["failed"]) == ([], 0, 0)


def test_csv_comes_back_as_the_table_that_score_writes(send):
    body = 'sku,name,decision\n1,"Water bottle, 1 l",mine\n2,Basmati rice\n3,,mine\n'
    response = send("POST", "/predict/batch", content=body.encode(), headers={"content-type": "text/csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert list(rows[0]) == ["sku", "name", "input_decision", *SCORE_COLUMNS]
    assert [row["sku"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["name"] == "Water bottle, 1 l"
    assert rows[0]["issues"] == ""
    assert json.loads(rows[0]["alternatives"])[0]["probability"] == float(rows[0]["confidence"])
    assert rows[1]["predicted_category"]
    assert "cut short" in rows[1]["issues"]
    answered = ("predicted_category", "confidence", "decision")
    assert [rows[2][name] for name in answered] == ["", "0.0", "abstain"]
    assert "title" in rows[2]["issues"]


@pytest.mark.parametrize(
    "said", ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/csv"]
)
def test_a_workbook_is_answered_like_the_same_table_as_csv(send, said):
    rows = [["sku", "title"], ["1", "Steel bottle"], ["2", None], ["3", "Cotton towel"]]
    as_csv = "\n".join(",".join(cell or "" for cell in row) for row in rows)
    answers = [
        send("POST", "/predict/batch", content=content, headers={"content-type": kind})
        for content, kind in ((xlsx({"S": rows}), said), (as_csv.encode(), "text/csv"))
    ]
    assert [each.status_code for each in answers] == [200, 200]
    found, expected = (list(csv.DictReader(io.StringIO(each.text))) for each in answers)
    for name in ("sku", "title", "issues"):
        assert [row[name] for row in found] == [row[name] for row in expected]
    headers = {"content-type": said, "accept": "application/json"}
    answer = send("POST", "/predict/batch", content=xlsx({"S": rows}), headers=headers).json()
    assert [bool(item.get("error")) for item in answer["predictions"]] == [False, True, False]


def test_columns_are_what_the_request_says(send):
    content, kind = b"title,name\nNr. 1,Steel bottle\nNr. 2,\n", {"content-type": "text/csv"}
    plain = send("POST", "/predict/batch", content=content, headers=kind)
    assert json.loads(plain.headers["prodclf-columns"]) == {"title": "title"}
    said = send(
        "POST", "/predict/batch", content=content, headers={**kind, "prodclf-columns": '{"title": "name"}'}
    )
    assert json.loads(said.headers["prodclf-columns"])["title"] == "name"
    issues = [row["issues"] for row in csv.DictReader(io.StringIO(said.text))]
    assert issues[0] == ""
    assert "no title" in issues[1]


@pytest.mark.parametrize(
    ("header", "status", "said"),
    [
        ("title", 400, "is no JSON object of column names"),
        ('{"title": 1}', 400, "is no JSON object of column names"),
        ('{"title": "none"}', 422, "has no column 'none'"),
        ('{"colour": "title"}', 422, "names what is no field of a product"),
    ],
)
def test_columns_that_are_not_there_are_told(send, header, status, said):
    headers = {"content-type": "text/csv", "prodclf-columns": header}
    answer = send("POST", "/predict/batch", content=b"title\nTea\n", headers=headers)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG\r\n\x1a\n", "the body is a PNG picture and no table; send CSV"),
        (b"PK\x03\x04 and no more", "the body cannot be unpacked"),
        (xlsx({"S": [["title"]]}), "the body is a workbook without a visible sheet of two rows or more"),
    ],
)
def test_a_file_that_is_no_table_says_what_it_is(send, content, said):
    answer = send("POST", "/predict/batch", content=content, headers={"content-type": "text/csv"})
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_a_csv_error_in_json_names_the_line(send):
    body = b"sku,name\n1,Rice\n2,\n"
    headers = {"content-type": "text/csv", "accept": "application/json"}
    answer = BatchAnswer.model_validate(send("POST", "/predict/batch", content=body, headers=headers).json())
    failed = answer.predictions[1]
    assert (failed.error.row, failed.error.line, failed.error.field) == (1, 3, "title")


def test_ndjson_in_and_out_line_by_line(send):
    body = b'{"title": "Rice"}\n{bad}\n{"title": "Tea", "product_id": 3}\n'
    response = send("POST", "/predict/batch", content=body, headers={"content-type": "application/x-ndjson"})
    assert response.headers["content-type"] == "application/x-ndjson"
    first, second, third = (json.loads(line) for line in response.text.splitlines())
    Prediction.model_validate(first)
    assert second["error"]["line"] == 2
    assert third["product_id"] == 3


def test_accept_chooses_the_format(send):
    found = send("POST", "/predict/batch", json=[BOTTLE, {"title": {}}], headers={"accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(found.text)))
    assert list(rows[0]) == ["product_id", "title", "brand", "price", *SCORE_COLUMNS]
    assert rows[0]["price"] == "₹499"
    assert rows[1]["title"] == "{}"
    found = send("POST", "/predict/batch", json=[BOTTLE], headers={"accept": "application/x-ndjson, */*"})
    assert json.loads(found.text)["product_id"] == "A-1"
    found = send("POST", "/predict/batch", json=[BOTTLE], headers={"accept": "text/plain"})
    assert found.json()["rows"] == 1


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = st.sampled_from(
    ["product_id", "title", "brand", "seller_id", "price", "rating", "reviews_count", "x"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.lists(_VALUES | st.dictionaries(_FIELDS, _VALUES), max_size=4),
    wanted=st.sampled_from(["", "text/csv"]),
)
def test_no_json_breaks_the_service(send, batch, wanted):
    body = json.dumps(batch).encode()
    headers = {"content-type": "application/json", "accept": wanted}
    response = send("POST", "/predict/batch", content=body, headers=headers)
    assert response.status_code in (200, 400)
    if response.status_code == 200 and not wanted:
        assert len(response.json()["predictions"]) == len(batch)


def test_requests_that_arrive_together_are_answered_as_they_would_be_alone(app, send):
    products = [{"title": f"Cotton towel number {number}"} for number in range(40)]
    answers = at_once(app, [("POST", "/predict", {"json": product}) for product in products])
    found = [answer.json() for answer in answers]
    assert len({answer["request_id"] for answer in found}) == 40
    for number in (0, 17, 39):
        alone = send("POST", "/predict", json=products[number]).json()
        assert found[number]["probabilities"] == alone["probabilities"]


def test_too_many_requests_at_once_are_told_to_come_back(make_service):
    small = make_service(max_pending_requests=1)
    app = build_app(small)

    answers = at_once(app, [("POST", "/predict", {"json": BOTTLE})] * 5)
    statuses = [response.status_code for response in answers]
    assert 200 in statuses
    refused = sender(app)
    assert statuses.count(503) == len(statuses) - statuses.count(200) > 0
    with small.batcher.admission(1):
        response = refused("POST", "/predict", json=BOTTLE)
    problem_of(response, 503)
    assert int(response.headers["retry-after"]) >= 1


def test_without_a_model_it_is_alive_but_not_ready(tmp_path):
    config = ServiceConfig.of(
        Settings(PRODCLF_HOME=tmp_path), ServingSettings(poll_seconds=60, request_log="off")
    )
    service = Service(config)
    service.start()
    send = sender(build_app(service))
    assert send("GET", "/health").json() == {"status": "alive"}
    for method, path, request in [
        ("GET", "/ready", {}),
        ("GET", "/model", {}),
        ("GET", "/categories", {}),
        ("POST", "/predict", {"json": BOTTLE}),
        ("POST", "/predict/batch", {"json": [BOTTLE]}),
    ]:
        response = send(method, path, **request)
        problem = problem_of(response, 503)
        assert "prodclf train" in problem.detail
        assert int(response.headers["retry-after"]) >= 1
    assert send("GET", "/").json()["model_version"] is None
    assert "prodclf_model_info{" not in send("GET", "/metrics").text
    service.stop()


def test_ready_says_no_while_stopping_and_requests_are_still_answered(send, service):
    assert Ready.model_validate(send("GET", "/ready").json()).model_version == "1"
    service.draining = True
    try:
        problem_of(send("GET", "/ready"), 503)
        assert send("POST", "/predict", json=BOTTLE).status_code == 200
    finally:
        service.draining = False


def test_the_live_model_is_described(send, service):
    state = ModelState.model_validate(send("GET", "/model").json())
    assert (state.name, state.alias, state.model_version) == ("product_classifier", "champion", "1")
    assert state.bundle_version == service.model().bundle.version
    assert state.categories == len(service.model().bundle.labels)
    assert state.manifest["format_version"] == FORMAT_VERSION
    assert state.last_error is None


def test_the_categories_are_those_it_answers(send, service):
    found = Categories.model_validate(send("GET", "/categories").json())
    assert found.categories == service.model().bundle.labels
    assert found.model_version == "1"


def test_the_root_is_a_page_for_people_and_json_for_programs(send):
    page = send("GET", "/", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for accept in ("application/json", "*/*", "application/json, text/html"):
        identity = Identity.model_validate(send("GET", "/", headers={"accept": accept}).json())
        assert identity.model_version == "1"
        assert identity.links["predict"] == "/predict"


def test_responses_carry_security_headers(send):
    for response in (send("GET", "/health"), send("GET", "/nowhere"), send("POST", "/predict", json=BOTTLE)):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"


def test_metrics_count_requests_decisions_and_errors(send):
    def value(name: str) -> float:
        lines = [line for line in send("GET", "/metrics").text.splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = {name: value(name) for name in ("prodclf_decisions_total", "prodclf_item_errors_total")}
    send("POST", "/predict/batch", json=[BOTTLE, BOTTLE, {"title": ""}])
    assert value("prodclf_decisions_total") == before["prodclf_decisions_total"] + 2
    assert value("prodclf_item_errors_total") == before["prodclf_item_errors_total"] + 1
    text = send("GET", "/metrics").text
    assert 'route="/predict/batch",status="200"' in text
    assert 'version="1"' in text
    assert 'outcome="swapped"' in text


def test_the_request_log_tells_what_happened_and_no_title(send, service):
    send("POST", "/predict", json=BOTTLE, headers={"x-request-id": "logged-1"})
    send("GET", "/health", headers={"x-request-id": "quiet-1"})
    send("GET", "/secret-path", headers={"x-request-id": "lost-1"})
    assert service.log is not None
    service.log.flush()
    text = service.config.request_log.read_text()
    lines = {line["request_id"]: line for line in map(orjson.loads, text.splitlines())}
    line = lines["logged-1"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/predict", 200)
    assert line["ms"] > 0
    assert line["model_version"] == "1"
    assert lines["lost-1"]["route"] == "unmatched"
    assert "quiet-1" not in lines
    assert "bottle" not in text
    assert "secret-path" not in text


def test_a_fault_of_our_own_is_a_500_without_its_details(own, caplog):
    own.batcher.close()  # its worker thread takes no more work
    response = sender(build_app(own))("POST", "/predict", json=BOTTLE, headers={"x-request-id": "boom"})
    problem = problem_of(response, 500)
    assert "shutdown" not in problem.detail
    assert "boom" in caplog.text
