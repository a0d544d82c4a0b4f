"""What goes along with a request, in its ASGI scope: headers by name, its id, facts for its log line."""

from typing import Any

from starlette.types import Receive, Scope, Send

from prodclf_serving.problems import ProblemError

ECHO = "prodclf.echo"
"""Key of a scope in which nobody but the service sends the request's id back."""

_HEADERS, _REQUEST_ID, _LOG_FACTS = "prodclf.headers", "prodclf.request_id", "prodclf.log_facts"


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers by lower-case name; of several with one name, the last."""
    given: dict[bytes, bytes] | None = scope.get(_HEADERS)
    if given is None:
        given = scope[_HEADERS] = dict(scope["headers"])
    return given


def begin(scope: Scope, request_id: str) -> None:
    """Give a request its id, and room for facts."""
    scope[_REQUEST_ID] = request_id
    scope[_LOG_FACTS] = {}


def request_id_of(scope: Scope) -> str:
    """The id of a request: its `X-Request-ID` header, or the one made for it."""
    request_id: str = scope[_REQUEST_ID]
    return request_id


async def send_problem(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with an error."""
    response = problem.to_response(instance=scope["path"], request_id=request_id_of(scope))
    await response(scope, receive, send)


def add_log_facts(scope: Scope, **facts: Any) -> None:
    """Add facts to the request's log line; never a product's text."""
    scope[_LOG_FACTS].update(facts)


def log_facts_of(scope: Scope) -> dict[str, Any]:
    """The facts that were added."""
    facts: dict[str, Any] = scope[_LOG_FACTS]
    return facts
