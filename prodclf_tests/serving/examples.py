"""The examples of the OpenAPI document, sent as they are."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

POSTED = ("/predict", "/predict/batch", "/explain", "/feedback")


def bodies(described: dict[str, Any], path: str) -> dict[str, Any]:
    """The example of each media type that a path takes."""
    content = described["paths"][path]["post"]["requestBody"]["content"]
    return {media_type: body["example"] for media_type, body in content.items()}


def examples_sent(
    described: dict[str, Any], path: str, send: Callable[..., httpx.Response]
) -> Iterator[httpx.Response]:
    """Send every example of a path and yield the answers.

    Args:
        described: the document.
        path: one of `POSTED`.
        send: `send(method, path, content=…, headers=…)`.
    """
    for media_type, example in bodies(described, path).items():
        content = example if isinstance(example, str) else json.dumps(example)
        yield send("POST", path, content=content.encode(), headers={"content-type": media_type})
