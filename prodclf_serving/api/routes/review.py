"""The review desk: its page, and what the page asks; no part of the announced interface."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from prodclf_assets.monitoring.annotation import NO_CATEGORY
from prodclf_serving.api.routes.feedback import unknown_category
from prodclf_serving.api.routes.pages import desk_page
from prodclf_serving.api.routes.product_route import ProductRoute
from prodclf_serving.api.schemas import Product, Remark
from prodclf_serving.problems import ItemError, invalid_items
from prodclf_serving.review_desk.desk import Desk, Person
from prodclf_serving.service import Service

MOST_AT_ONCE = 200
"""Products of one decision."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class _Asked(BaseModel):
    """Who asks."""

    reviewer: Remark = Field(default_factory=str)
    tab: Id

    @property
    def person(self) -> Person:
        return Person(self.reviewer, self.tab)


class _Next(_Asked):
    holding: list[Id] = Field(default=[], max_length=50)
    skipped: list[Id] = Field(default=[], max_length=2000)
    count: int = Field(default=3, ge=0, le=10)


class _Decision(BaseModel):
    annotation: Id
    id: Id | None = None
    product: Product
    category: Remark = Field(default_factory=str)
    verdict: Literal["no-category"] | None = None
    predicted_category: Remark = Field(default_factory=str)
    model_version: Remark = Field(default_factory=str)
    request_id: Remark = Field(default_factory=str)
    note: Remark = Field(default_factory=str)


class _Decisions(_Asked):
    decisions: list[_Decision] = Field(min_length=1, max_length=MOST_AT_ONCE)


class _Release(_Asked):
    products: list[Id] = Field(max_length=50)


class _Undo(_Asked):
    annotations: list[Id] = Field(min_length=1, max_length=MOST_AT_ONCE)


class _Search(BaseModel):
    text: Remark = Field(default_factory=str)
    product: dict[str, Any] = {}
    recent: list[str] = Field(default=[], max_length=20)
    count: int = Field(default=8, ge=1, le=50)


def review_routes(service: Service) -> APIRouter:
    """What the page of the desk asks of a service."""
    router = APIRouter(route_class=ProductRoute, include_in_schema=False)
    desk = Desk(service)

    @router.post("/review/next")
    async def review_next(asked: _Next) -> dict[str, Any]:
        """Products for a person, with how the work stands."""
        return await desk.next(asked.person, asked.holding, asked.skipped, asked.count)

    @router.post("/review/decisions", status_code=201)
    async def review_decisions(asked: _Decisions) -> dict[str, Any]:
        """What a person says of products; in the lake when it is answered."""
        model = service.model()
        known = set(model.bundle.labels)
        for at, each in enumerate(asked.decisions):
            if not each.product.title:
                raise invalid_items([ItemError(at, "title", "no title: the product cannot be recognised")])
            if each.verdict is None and each.category not in known:
                raise await asyncio.to_thread(unknown_category, each.category, model)
        decisions = [
            {**dict(each), "product": dict(each.product), "category": "" if each.verdict else each.category}
            for each in asked.decisions
        ]
        return await desk.decide(asked.person, decisions)

    @router.post("/review/release", status_code=204)
    async def review_release(asked: _Release) -> None:
        """Give products back."""
        await desk.release(asked.person, asked.products)

    @router.post("/review/undo")
    async def review_undo(asked: _Undo) -> dict[str, Any]:
        """Withdraw what was said."""
        return await desk.undo(asked.person, asked.annotations)

    @router.post("/review/categories")
    async def review_categories(asked: _Search) -> dict[str, Any]:
        """Categories that a text may mean, for a product."""
        return {"found": await desk.search(asked.text, asked.product, asked.recent, asked.count)}

    reading = APIRouter(include_in_schema=False)

    @reading.get("/review/rows")
    async def review_rows(
        text: str = "",
        decision: str = "",
        category: str = "",
        seller: str = "",
        sort: Literal["useful", "doubt", "often"] = "useful",
        start: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 100,
    ) -> dict[str, Any]:
        """Products that wait, as a table."""
        return await desk.rows(
            text=text,
            decision=decision,
            category=category,
            seller=seller,
            sort=sort,
            start=start,
            count=count,
        )

    @reading.get("/review/said")
    async def review_said(reviewer: str = "", unfit: bool = False) -> dict[str, Any]:
        """A person's latest decisions, or all products that no category fits."""
        return {"said": await desk.mine(Person(reviewer, ""), NO_CATEGORY if unfit else None)}

    @reading.get("/review/examples")
    async def review_examples(category: str) -> dict[str, Any]:
        """Titles of products in a category."""
        return {"examples": await desk.examples(category)}

    router.include_router(reading)
    return router


def review_page() -> APIRouter:
    """The page itself, which needs no key."""
    router = APIRouter(include_in_schema=False)

    @router.get("/review")
    async def review() -> Response:
        return desk_page()

    return router
