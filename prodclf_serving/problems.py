"""Errors as RFC 9457 problem documents: what went wrong, where, and what to do, in one JSON shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

PROBLEM_MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:prodclf:problem:"


@dataclass(frozen=True)
class ItemError:
    """Why one product of a request cannot be answered.

    Attributes:
        row: position of the product in the request, from 0.
        field: the field at fault; None when the whole item is.
        detail: one sentence that says what is wrong and what is expected.
        line: line of a CSV or NDJSON body that the product came from, from 1; None for JSON.
    """

    row: int
    field: str | None
    detail: str
    line: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The error as it appears in answers; absent parts are left out."""
        parts = {"row": self.row, "line": self.line, "field": self.field, "detail": self.detail}
        return {name: value for name, value in parts.items() if value is not None}


@dataclass(eq=False)  # not frozen: Python itself sets attributes of an exception on its way up
class ProblemError(Exception):
    """An error answer; raise it anywhere below a route and it is sent as problem+json.

    Attributes:
        status: HTTP status code.
        slug: last part of the problem type, stable for programs to match on.
        detail: one sentence for a person.
        extra: further members of the document (limits, rows, fields).
        headers: response headers.
        retry_after: seconds after which it is worth another try; None when it does not pass by itself.
    """

    status: int
    slug: str
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None

    def to_dict(self, **of_request: str) -> dict[str, Any]:
        """The problem document of this error; what is known of the request goes into it as it is named."""
        return {
            "type": _TYPE_PREFIX + self.slug,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **of_request,
            **self.extra,
        }

    def to_response(self, *, instance: str, request_id: str) -> Response:
        """The HTTP response of this error."""
        later = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return Response(
            orjson.dumps(self.to_dict(instance=instance, request_id=request_id)),
            status_code=self.status,
            headers={**self.headers, **later},
            media_type=PROBLEM_MEDIA_TYPE,
        )


def malformed_body(detail: str) -> ProblemError:
    """400: the body is not what its content type says."""
    return ProblemError(400, "malformed-body", detail)


def unsupported_media_type(given: str, accepted: tuple[str, ...]) -> ProblemError:
    """415: a content type that the route does not read."""
    detail = f"content type {given[:100]!r} is not read here; send {', '.join(accepted)}"
    return ProblemError(415, "unsupported-media-type", detail, {"accepted": list(accepted)})


def body_too_large(limit: int) -> ProblemError:
    """413: more bytes than `limit`."""
    detail = f"the body is larger than the limit of {limit} bytes; send fewer products in one request"
    return ProblemError(413, "body-too-large", detail, {"limit_bytes": limit})


def batch_too_large(rows: int, limit: int) -> ProblemError:
    """413: more products than `limit`."""
    detail = f"the batch holds {rows} products or lines, the limit is {limit} products; send it in parts"
    return ProblemError(413, "batch-too-large", detail, {"limit_rows": limit, "rows": rows})


def invalid_items(errors: list[ItemError]) -> ProblemError:
    """422: the request is well-formed, its products are not; names row and field of each."""
    first = errors[0]
    detail = f"{first.field}: {first.detail}" if first.field else first.detail
    return ProblemError(422, "invalid-product", detail, {"errors": [error.to_dict() for error in errors]})


def overloaded(retry_after: int) -> ProblemError:
    """503: the bounded queue is full."""
    detail = f"more requests are waiting than can be answered in time; try again in {retry_after} s"
    return ProblemError(503, "overloaded", detail, retry_after=retry_after)


def no_model(reason: str) -> ProblemError:
    """503: no model has been loaded yet."""
    return ProblemError(503, "no-model", reason, retry_after=5)


def internal_fault() -> ProblemError:
    """500: the service failed, which only its log says more about."""
    return ProblemError(500, "internal", "the service failed on this request; its log says why")
