"""Pages for people: all they load is here, and no answer may be made to run what is not."""

import re

import pytest

PAGES = ["/", "/docs", "/redoc"]


@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_names_is_here(send, path):
    page = send("GET", path, headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    for link in named:
        if not link.startswith("data:"):
            assert "//" not in link
            found = send("GET", "/" + link.lstrip("/"))
            assert found.status_code == 200, link
            kind = {"js": "javascript", "css": "css"}.get(link.rpartition(".")[2], "")
            assert kind in found.headers["content-type"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_run_only_what_this_service_sends(send, path):
    policy = send("GET", path, headers={"accept": "text/html"}).headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert "http" not in policy


def test_documentation_asks_no_stranger_for_its_logo(send):
    script = send("GET", "/assets/redoc.standalone.js")
    assert len(script.content) > 500_000
    assert b"cdn.redoc.ly" not in script.content


@pytest.mark.parametrize("name", ["nothing.js", "..%2fapp.py", "docs.html", "%2e%2e"])
def test_only_the_files_of_the_pages_are_assets(send, name):
    found = send("GET", f"/assets/{name}")
    assert found.status_code == 404
    assert found.headers["content-type"] == "application/problem+json"


def test_every_answer_forbids_browsers_what_it_does_not_need(send):
    answers = [
        send("GET", "/health"),
        send("GET", "/nowhere"),
        send("GET", "/assets/docs.js"),
        send("GET", "/openapi.json"),
        send("POST", "/predict", json={"title": "tea"}),
        send("POST", "/predict", content=b"{"),
        *(send("GET", path, headers={"accept": "text/html"}) for path in PAGES),
    ]
    for answer in answers:
        assert len(answer.headers.get_list("content-security-policy")) == 1
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    for answer in answers[:6]:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
