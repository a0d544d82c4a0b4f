"""Pages for people: the console, the API documentation and what they load, all from this service, none from elsewhere."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

_OWN = files("prodclf_serving") / "static"
_LIBRARIES = files("fastapi_offline") / "static"
_ASSETS: dict[str, tuple[Traversable, str]] = {
    **{f"{name}.css": (_OWN, "text/css") for name in ("console", "review")},
    **{
        f"{name}.js": (_OWN, "text/javascript")
        for name in (
            *("console", "page", "api", "product", "table", "csv", "model", "docs"),
            *("review", "desk", "queue", "picker", "rows", "said", "worklist"),
        )
    },
    "swagger-ui-bundle.js": (_LIBRARIES, "text/javascript"),
    "swagger-ui.css": (_LIBRARIES, "text/css"),
    "redoc.standalone.js": (_LIBRARIES, "text/javascript"),
}
# ReDoc would fetch this picture for its footer, and so tell a stranger who reads the documentation.
_FOREIGN_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_EMPTY_PICTURE = b"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>"

_CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_CONSOLE_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; {_CLOSED}"
)
# Swagger UI and ReDoc write styles into the page; ReDoc searches in a worker that it makes itself.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    f"img-src 'self' data:; font-src data:; worker-src blob:; {_CLOSED}"
)


def page_routes() -> APIRouter:
    """`/docs`, `/redoc` and `/assets/…`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> Response:
        return _page("docs.html", _DOCS_POLICY)

    @router.get("/redoc")
    async def redoc() -> Response:
        return _page("redoc.html", _DOCS_POLICY)

    @router.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise HTTPException(404)
        folder, media_type = _ASSETS[name]
        body = (folder / name).read_bytes()
        if name == "redoc.standalone.js":
            body = body.replace(_FOREIGN_LOGO, _EMPTY_PICTURE)
        # Asked for again with every page: files of another version must not mix with it.
        return Response(body, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return router


def console() -> Response:
    """The page at `/`."""
    return _page("console.html", _CONSOLE_POLICY)


def desk_page() -> Response:
    """The page at `/review`."""
    return _page("review.html", _CONSOLE_POLICY)


def _page(name: str, policy: str) -> HTMLResponse:
    return HTMLResponse((_OWN / name).read_text("utf-8"), headers={"Content-Security-Policy": policy})
