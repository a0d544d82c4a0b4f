"""Who may ask: API keys and web pages of other origins, seen from outside."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prodclf_serving.api.app import build_app
from prodclf_serving.service import Service
from prodclf_tests.serving.conftest import Send, problem_of, sender

KEY = "0123456789abcdef-shop"
TEA = {"title": "Green tea 100 bags"}
OTHER = "https://shop.example"
OPEN_PATHS = {"/", "/health", "/ready", "/docs", "/redoc", "/openapi.json"}


@pytest.fixture
def guarded(make_service: Callable[..., Service]) -> Callable[..., Send]:
    """Make an application with other settings that answers with the session's model."""
    return lambda **settings: sender(build_app(make_service(**settings)))


@pytest.fixture
def keyed(guarded: Callable[..., Send], tmp_path: Path) -> Send:
    (tmp_path / "keys").write_text(f"{KEY}\n0123456789abcdef-other\n")
    return guarded(api_keys_file=tmp_path / "keys")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/predict"),
        ("POST", "/predict/batch"),
        ("POST", "/explain"),
        ("POST", "/feedback"),
        ("GET", "/model"),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
        ("GET", "/docs/"),
        ("OPTIONS", "/predict"),
    ],
)
@pytest.mark.parametrize(
    "header", [{}, {"authorization": "Bearer 0123456789abcdef-guess"}, {"authorization": f"Basic {KEY}"}]
)
def test_without_a_key_nothing_is_told(keyed, method, path, header):
    response = keyed(method, path, headers=header)
    problem_of(response, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", sorted(OPEN_PATHS | {"/assets/docs.js"}))
def test_pages_and_what_balancers_ask_need_no_key(keyed, path):
    assert keyed("GET", path).status_code == 200


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer  {KEY}", "Bearer 0123456789abcdef-other"])
def test_with_any_of_the_keys_it_answers(keyed, header):
    assert keyed("POST", "/predict", json=TEA, headers={"authorization": header}).status_code == 200


def test_the_log_tells_keys_apart_without_telling_them(make_service, tmp_path):
    (tmp_path / "keys").write_text(KEY)
    own = make_service(api_keys_file=tmp_path / "keys", request_log=str(tmp_path / "log"))
    sender(build_app(own))("POST", "/predict", json=TEA, headers={"authorization": f"Bearer {KEY}"})
    assert own.log is not None
    own.log.flush()
    text = (tmp_path / "log").read_text()
    assert '"key":"' in text
    assert KEY not in text


def test_the_document_says_whether_a_key_is_needed(keyed, guarded):
    described = keyed("GET", "/openapi.json").json()
    assert described["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    for path, item in described["paths"].items():
        for operation in item.values():
            assert ("security" in operation) == ("401" in operation["responses"]) == (path not in OPEN_PATHS)
    assert "securitySchemes" not in guarded()("GET", "/openapi.json").json()["components"]


def test_pages_of_other_origins_can_send_nothing_and_read_nothing(guarded):
    send = guarded()
    for path in ("/predict", "/feedback"):
        for origin in (OTHER, "null", "http://localhost:81", "http://localhost.evil.example"):
            problem = problem_of(
                send("POST", path, json=TEA, headers={"origin": origin}), 403, "cross-origin"
            )
            assert "PRODCLF_SERVE_CORS_ORIGINS" in problem.detail
    answer = send("GET", "/model", headers={"origin": OTHER})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_its_own_pages_can(guarded):
    # Whether the browser came by TLS is for the proxy in front to know.
    for origin in ("http://localhost", "https://LOCALHOST"):
        assert guarded()("POST", "/predict", json=TEA, headers={"origin": origin}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "[::1"]
)
def test_a_page_whose_name_leads_here_is_of_no_origin_that_is_known(guarded, host):
    rebound = {"host": host, "origin": f"http://{host}"}
    for method, path in (("POST", "/feedback"), ("POST", "/predict"), ("GET", "/model"), ("GET", "/")):
        problem = problem_of(guarded()(method, path, json=TEA, headers=rebound), 403, "unknown-host")
        assert "PRODCLF_SERVE_ALLOWED_HOSTS" in problem.detail


@pytest.mark.parametrize("host", ["localhost:8530", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", "10.0.3.7"])
def test_it_answers_by_the_name_of_the_machine_itself_and_by_address(guarded, host):
    assert guarded()("POST", "/predict", json=TEA, headers={"host": host}).status_code == 200


def test_other_names_are_those_listed_or_any_where_others_may_ask(guarded, keyed):
    named = {"host": "shop.example:443"}
    listed = guarded(allowed_hosts="api.example, Shop.example", host="0.0.0.0")
    assert listed("POST", "/predict", json=TEA, headers=named).status_code == 200
    problem_of(listed("GET", "/model", headers={"host": "evil.example"}), 403, "unknown-host")
    for settings in ({"host": "0.0.0.0"}, {"allowed_hosts": "*"}):
        assert guarded(**settings)("POST", "/predict", json=TEA, headers=named).status_code == 200
    assert keyed("GET", "/health", headers=named).status_code == 200


@pytest.mark.parametrize("origins", [f"{OTHER}/, https://b.example", "*"])
def test_pages_of_allowed_origins_can(guarded, origins):
    send = guarded(cors_origins=origins)
    answer = send("POST", "/predict", json=TEA, headers={"origin": OTHER})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] in (OTHER, "*")
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    assert send("OPTIONS", "/predict", headers={"origin": OTHER, **asked}).status_code == 200
    problem_of(
        send(
            "OPTIONS", "/predict", headers={"origin": OTHER, **asked, "access-control-request-method": "PUT"}
        ),
        403,
        "cross-origin",
    )


def test_pages_that_are_not_on_the_list_cannot(guarded):
    send = guarded(cors_origins="https://b.example")
    problem_of(send("POST", "/predict", json=TEA, headers={"origin": OTHER}), 403, "cross-origin")
    asked = {"origin": OTHER, "access-control-request-method": "POST"}
    problem_of(send("OPTIONS", "/predict", headers=asked), 403, "cross-origin")


def test_a_refusal_for_want_of_a_key_can_be_read_by_allowed_pages(guarded, tmp_path):
    (tmp_path / "keys").write_text(KEY)
    send = guarded(api_keys_file=tmp_path / "keys", cors_origins=OTHER)
    answer = send("POST", "/predict", json=TEA, headers={"origin": OTHER})
    problem_of(answer, 401, "unauthorized")
    assert answer.headers["access-control-allow-origin"] == OTHER
    asked = {"origin": OTHER, "access-control-request-method": "POST"}
    assert send("OPTIONS", "/predict", headers=asked).status_code == 200
