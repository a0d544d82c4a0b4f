"""The desk of one replica: gives people products to judge, each to one person at a time, and takes what they say.

Who has which product is agreed on by leases in the lake, so it holds whichever replica a request reaches, and after one is
killed. What waits is each replica's own copy of the queue; what was said is in the lake before it is confirmed.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.catalog.product import ProductBatch, product_id_of
from prodclf_assets.errors import LakeError
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.lake.leases import Lease
from prodclf_assets.monitoring.annotation import DESK, HTTP, WITHDRAWN, annotation_row
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.problems import ProblemError
from prodclf_serving.review_desk.category_search import CategorySearch, read_titles
from prodclf_serving.review_desk.queue import FRESH, Queue, Waiting, load_queue
from prodclf_serving.review_desk.said import ALWAYS, Said
from prodclf_serving.service import Service

LEASED: Final = timedelta(minutes=5)
"""How long a product is somebody's without a sign of life; a page that shows it asks anew within this time."""
MOST_ALIKE: Final = 40
_FOLLOW_SECONDS = 5.0
_QUEUE_SECONDS = 600.0
# What was said before a queue was made is in no need of being known: its products are not in the queue.
_LATELY = FRESH + timedelta(hours=1)
_NEWS = timedelta(hours=2)

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Person:
    """Who works at the desk.

    Attributes:
        name: as the person gave it.
        tab: of the browser, so that one person's two tabs do not show the same product.
    """

    name: str
    tab: str

    @property
    def owner(self) -> str:
        """Names the person and the tab in a lease."""
        return f"{self.tab} {self.name}"


@dataclass(frozen=True)
class _Known:
    """What a replica holds in memory; replaced as a whole.

    Attributes:
        model: the version that the queue was read for.
        read_at: when that was, by the monotonic clock.
    """

    queue: Queue
    model: str
    read_at: float


class Desk:
    """See the module.

    Args:
        service: gives the model, the lake and the store of feedback.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._said = Said()
        self._known: _Known | None = None
        self._index: tuple[str, asyncio.Task[CategorySearch]] | None = None
        self._followed = float("-inf")
        self._whole = False
        self._refreshing: asyncio.Task[None] | None = None
        self._others: dict[str, Lease] = {}
        self._own: dict[str, Lease] = {}

    async def next(
        self, person: Person, holding: Sequence[str], skipped: Sequence[str], count: int
    ) -> dict[str, Any]:
        """Give a person products to judge.

        Args:
            person: who.
            holding: ids of products that the page has already; their leases are prolonged.
            skipped: ids that the person does not want.
            count: how many more products.

        Returns:
            `items`, each a product with the products alike and the model's present answer, and how the work stands.

        Raises:
            ProblemError: 503, when the lake or the model is not there.
        """
        known = await self._ready()
        model = self._service.model()
        found = await self._in_lake(self._choose, known.queue, person, holding, skipped, count)
        answers = await self._answers(model, [each.product for each in found])
        items = [
            {
                "id": each.id,
                "product": each.product,
                "times": each.answer["times"],
                "alike": [
                    _short(other) for other in self._open(known.queue.group(each)) if other is not each
                ][:MOST_ALIKE],
                **answer,
            }
            for each, answer in zip(found, answers, strict=True)
        ]
        return {"items": items, "model_version": model.version, **self._state(known.queue, person)}

    async def release(self, person: Person, products: Sequence[str]) -> None:
        """Give back products that a person does not want, or whose page is closed.

        Raises:
            ProblemError: 503, when the lake is not there.
        """
        known = await self._ready()
        kinds = {known.queue.by_id[each].kind for each in products if each in known.queue.by_id}
        leases = self._lake().leases("review")
        for kind in kinds:
            self._own.pop(kind, None)
            await self._in_lake(leases.release, kind, person.owner)

    async def decide(self, person: Person, decisions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Store what a person says of products; it is in the lake when this returns.

        Args:
            person: who.
            decisions: each with `annotation` (an id of the page's choice; sent again with the same one, it counts once),
                `product`, `category` or a `verdict` instead, and what is stored beside them.

        Returns:
            `stored`: the annotations; `refused`: why others were not, by annotation; how the work stands.

        Raises:
            ProblemError: 503 when the lake does not take them; 422 when a product has no title.
        """
        known = await self._ready()
        batch, _ = ProductBatch.from_records([each["product"] for each in decisions])
        rows: list[dict[str, Any]] = []
        refused: dict[str, str] = {}
        for at, each in enumerate(decisions):
            name = str(each["annotation"])
            if self._said.find(name) is not None:
                continue
            waiting = known.queue.by_id.get(str(each.get("id") or ""))
            holder = await self._holder(waiting, person) if waiting else None
            if holder is not None:
                refused[name] = f"{holder} has this product at hand"
                continue
            about = {
                column: each.get(column) or ""
                for column in (
                    "category",
                    "predicted_category",
                    "model_version",
                    "request_id",
                    "verdict",
                    "note",
                )
            }
            rows.append(
                {
                    "time": datetime.now(UTC),
                    **annotation_row(
                        batch,
                        at,
                        product_id_of(dict(each["product"])),
                        DESK if each.get("id") else HTTP,
                        about | {"annotation": name, "reviewer": person.name},
                    ),
                }
            )
        await self._store(rows)
        stored = [str(each["annotation"]) for each in decisions if str(each["annotation"]) not in refused]
        return {"stored": stored, "refused": refused, **self._state(known.queue, person)}

    async def undo(self, person: Person, annotations: Sequence[str]) -> dict[str, Any]:
        """Withdraw annotations, as long as no training has read them.

        Returns:
            `withdrawn`: their ids; `refused`: why others were not; how the work stands.

        Raises:
            ProblemError: 503 when the lake does not take it.
        """
        known = await self._ready()
        await self._in_lake(self._follow)
        read_at = await self._in_lake(self._last_read)
        rows: list[dict[str, Any]] = []
        refused: dict[str, str] = {}
        for name in annotations:
            found = self._said.find(name)
            if found is None:
                refused[name] = "it has been undone already"
            elif read_at is not None and found["time"] < read_at:
                refused[name] = "a training has learnt from it; judge the product again instead"
            else:
                about = {"annotation": name, "verdict": WITHDRAWN, "reviewer": person.name}
                product = {"title": found["title"], "brand": found["brand"]}
                rows.append({"time": datetime.now(UTC), **product, **about, "source": found["source"]})
        await self._store(rows)
        withdrawn = [row["annotation"] for row in rows]
        return {"withdrawn": withdrawn, "refused": refused, **self._state(known.queue, person)}

    async def rows(
        self, *, text: str, decision: str, category: str, seller: str, sort: str, start: int, count: int
    ) -> dict[str, Any]:
        """Products that wait, as a table: filtered, sorted, a part at a time.

        Args:
            text: words that a product must have, in whatever field.
            decision, category, seller: what it must be; "" for whatever. A category also stands for those below it.
            sort: `useful`, `doubt` or `often`.
            start, count: which of them.
        """
        known = await self._ready()
        words = text.casefold().split()
        below = f"{category} > "
        found = [
            each
            for each in self._open(known.queue.waiting)
            if decision in ("", each.answer["decision"])
            and (not category or f"{each.answer['predicted_category']} > ".startswith(below))
            and seller in ("", each.product.get("seller_id"))
            and all(word in each.text for word in words)
        ]
        if sort == "doubt":
            found.sort(key=lambda each: each.answer["confidence"])
        elif sort == "often":
            found.sort(key=lambda each: -each.answer["times"])
        now = datetime.now(UTC)
        part = found[start : start + count]
        with_whom = {
            each.kind: lease for each in part if (lease := self._others.get(each.kind)) and lease.until > now
        }
        sellers = {str(name) for each in known.queue.waiting if (name := each.product.get("seller_id"))}
        return {
            "total": len(found),
            "sentence": known.queue.sentence,
            "sellers": sorted(sellers)[:500],
            "rows": [
                {
                    "id": each.id,
                    "product": each.product,
                    **each.answer,
                    "alike": len(known.queue.group(each)),
                    "with": with_whom[each.kind].owner.partition(" ")[2] if each.kind in with_whom else None,
                }
                for each in part
            ],
        }

    async def mine(self, person: Person, verdict: str | None) -> list[dict[str, Any]]:
        """A person's latest annotations, or everybody's with a verdict; each with whether it can be undone."""
        await self._ready()
        read_at = await self._in_lake(self._last_read)
        found = self._said.latest(200, reviewer=None if verdict else person.name, verdict=verdict)
        return [
            {
                **{
                    name: row[name]
                    for name in ("annotation", "title", "brand", "category", "verdict", "note", "reviewer")
                },
                "time": row["time"].isoformat(timespec="seconds"),
                "undo": read_at is None or row["time"] >= read_at,
            }
            for row in found
        ]

    async def search(
        self, text: str, product: Mapping[str, Any], recent: Sequence[str], most: int
    ) -> list[dict[str, Any]]:
        """Categories that a text may mean for a product; those chosen lately, and their neighbours by the model, first."""
        likely = dict.fromkeys(recent[:5], 0.2)
        if product.get("title"):
            model = self._service.model()
            batch, _ = ProductBatch.from_records([product])
            labels, shares = await self._service.batcher.between(lambda: model.bundle.rank(batch))
            for code, share in zip(labels[0].tolist(), shares[0].tolist(), strict=True):
                label = model.bundle.labels[code]
                # A candidate at all is worth something: the model looks at a few of all categories.
                likely[label] = likely.get(label, 0.0) + 0.25 + share
        found = await asyncio.to_thread((await self._search()).search, text, likely, most)
        return [each._asdict() for each in found]

    async def examples(self, category: str) -> list[str]:
        """Titles of products in a category."""
        return (await self._search()).examples(category)

    async def _ready(self) -> _Known:
        """What is known; read at first, and anew beside the work when it is old."""
        model = self._service.model()
        known = self._known
        if known is None:
            await self._refresh_once()
            known = self._known
            assert known is not None
        elif (
            time.monotonic() - self._followed > _FOLLOW_SECONDS
            or time.monotonic() - known.read_at > _QUEUE_SECONDS
            or known.model != model.version
        ):
            self._start_refresh()
        return known

    async def _search(self) -> CategorySearch:
        """The index of the live model's categories; built at first, and for each model."""
        model = self._service.model()
        index = self._index
        if index is None or index[0] != model.version or (index[1].done() and _failed(index[1])):
            labels = model.bundle.labels
            work = self._in_lake(lambda: CategorySearch(labels, read_titles(self._lake(), labels)))
            self._index = index = (model.version, asyncio.create_task(work))
        return await asyncio.shield(index[1])

    def _start_refresh(self) -> "asyncio.Task[None]":
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._in_lake(self._refresh, self._service.model()))
            self._refreshing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._refreshing

    async def _refresh_once(self) -> None:
        # Many may wait for the first reading; one that gives up does not end it for the others.
        await asyncio.shield(self._start_refresh())

    def _refresh(self, model: LoadedModel) -> None:
        self._follow()
        known = self._known
        if (
            known is not None
            and known.model == model.version
            and time.monotonic() - known.read_at < _QUEUE_SECONDS
        ):
            return
        lake = self._lake()
        queue = load_queue(lake, model, datetime.now(UTC))
        self._known = _Known(queue, model.version, time.monotonic())
        lake.leases("review").sweep()

    def _follow(self) -> None:
        """Read what people have said: at first lately, so that the desk opens soon; then ever; from then on what is new."""
        self._followed = time.monotonic()
        now = datetime.now(UTC)
        since = now - _NEWS if self._whole else ALWAYS[0] if self._known else now - _LATELY
        self._said.follow(self._lake().events(FEEDBACK), since)
        self._whole = since <= ALWAYS[0] or self._whole

    def _lake(self) -> Lake:
        return open_lake(self._service.config.settings.lake)

    def _last_read(self) -> datetime | None:
        """When a training last read the labels."""
        version = self._lake().find_latest("human_labels")
        return None if version is None else version.created_at

    async def _in_lake(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        try:
            return await asyncio.to_thread(work, *arguments)
        except LakeError as error:
            detail = f"the desk cannot read the lake ({error}); try again"
            raise ProblemError(503, "not-stored", detail, retry_after=10) from error

    def _open(self, products: Iterable[Waiting]) -> list[Waiting]:
        decided = self._said.decided
        return [each for each in products if each.key not in decided]

    def _choose(
        self, queue: Queue, person: Person, holding: Sequence[str], skipped: Sequence[str], count: int
    ) -> list[Waiting]:
        """Products whose lease the person has now, most useful first; at most one of a kind."""
        for held in holding:
            if held in queue.by_id:
                self._take(queue.by_id[held], person)
        kinds = {queue.by_id[each].kind for each in (*holding, *skipped) if each in queue.by_id}
        chosen: list[Waiting] = []
        now = datetime.now(UTC)
        for each in queue.waiting:
            if len(chosen) >= count:
                break
            other = self._others.get(each.kind)
            taken = other is not None and other.owner != person.owner and other.until > now
            if each.kind in kinds or taken or each.key in self._said.decided:
                continue
            if self._take(each, person) is None:
                kinds.add(each.kind)
                chosen.append(each)
        return chosen

    def _take(self, waiting: Waiting, person: Person) -> Lease | None:
        """Take or prolong the lease of a product and those alike; another's, where somebody else has it."""
        lease = self._lake().leases("review").take(waiting.kind, person.owner, LEASED)
        if lease.owner == person.owner:
            self._own[waiting.kind] = lease
            self._others.pop(waiting.kind, None)
            return None
        self._others[waiting.kind] = lease
        self._own.pop(waiting.kind, None)
        return lease

    async def _holder(self, waiting: Waiting, person: Person) -> str | None:
        """The name of somebody else who has a product; None when the person has it now."""
        own = self._own.get(waiting.kind)
        if own is not None and own.owner == person.owner and own.until > datetime.now(UTC):
            return None
        lease = await self._in_lake(self._take, waiting, person)
        return None if lease is None else lease.owner.partition(" ")[2]

    async def _store(self, rows: Sequence[dict[str, Any]]) -> None:
        await self._service.feedback.store(rows)
        self._said.add(rows)

    async def _answers(self, model: LoadedModel, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the model says of products now; nothing of it is logged as if a shop had asked."""
        if not records:
            return []
        with self._service.batcher.admission(len(records)):
            found = await self._service.batcher.submit(model, records)
        return [
            {
                "predicted_category": each.category,
                "decision": each.decision,
                "confidence": each.confidence,
                "likely": each.probabilities[:5],
            }
            for each in found
        ]

    def _state(self, queue: Queue, person: Person) -> dict[str, Any]:
        return {
            "remaining": len(self._open(queue.waiting)),
            "queued": len(queue.waiting),
            "sentence": queue.sentence,
            "tally": self._said.tally(person.name),
        }


def _short(each: Waiting) -> dict[str, Any]:
    return {"id": each.id, "product": each.product}


def _failed(task: "asyncio.Task[Any]") -> bool:
    return task.cancelled() or task.exception() is not None
