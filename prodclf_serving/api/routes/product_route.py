"""Routes of FastAPI that take one product, read as the prediction routes read it."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from prodclf_assets.catalog.product import Record
from prodclf_serving.api.request_body import read_product
from prodclf_serving.api.request_context import request_id_of


class ProductRoute(APIRoute):
    """A route that refuses a body as `/predict` does: FastAPI knows no limit while it reads, and no NaN.

    The limit is `max_body_bytes` in the state of the application.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Read the body before FastAPI asks for it."""
        handle = super().get_route_handler()

        async def read_first(request: Request) -> Response:
            record = await read_product(request.scope, request.receive, request.app.state.max_body_bytes)
            return await handle(_ReadRequest(request, record))

        return read_first


class _ReadRequest(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, record: Record) -> None:
        super().__init__(request.scope, request.receive)
        self._record = record

    async def body(self) -> bytes:
        return b"{}"  # FastAPI only asks whether there is any

    async def json(self) -> Record:
        return self._record


def _request_id(
    request: Request,
    given: Annotated[
        str,
        Header(alias="X-Request-ID", description="Id of the request, of your choice; given back and logged."),
    ] = "",
) -> str:
    # The header is named for the document; a request without one has been given an id.
    return request_id_of(request.scope)


RequestId = Annotated[str, Depends(_request_id)]
"""The id of the request, sent or made."""
