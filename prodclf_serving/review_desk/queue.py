"""The products that wait for a person, held in memory: the review queue as the lake has it, or made here."""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from prodclf_assets.catalog.columns import PRODUCT_COLUMNS
from prodclf_assets.catalog.identity import product_key_of
from prodclf_assets.catalog.text.normalise import title_key
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.live_model import LiveModel

ASSET: Final = "review_queue"
FRESH: Final = timedelta(hours=26)
"""How old the nightly asset may be before a queue of the last days is made here."""
WINDOW: Final = timedelta(days=7)
_ANSWER: Final = ("predicted_category", "confidence", "decision", "times", "usefulness", "model_version")
# A number, with the unit behind it or before it, and letters alone: what tells sizes of one product apart.
_SIZES = re.compile(r"\w*\d\w*( (?!\w*\d)\w{1,3}\b)?|\b\w\b")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A product that waits.

    Attributes:
        id: names it in a page and in a path.
        key: what makes it this product: `product_key_of`.
        kind: of products that are alike, the same: brand and words of the title, but for numbers, sizes and order.
        product: its known fields.
        answer: what the model said when the queue was made, and how often the product came.
        text: what a search looks through.
    """

    id: str
    key: str
    kind: str
    product: dict[str, Any]
    answer: dict[str, Any]
    text: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Waiting":
        """A row of the review queue."""
        title, brand = str(row["title"]), row["brand"]
        key = product_key_of(title, brand)
        words = sorted(set(_SIZES.sub(" ", title_key(title)).split())) or [key]
        product = {
            name: row[name] for name in PRODUCT_COLUMNS if row[name] is not None and row[name] == row[name]
        }
        text = " ".join(str(value) for value in product.values()).casefold()
        kind = _digest(f"{title_key(brand or '')}\x1f{' '.join(words)}")
        return cls(_digest(key), key, kind, product, {name: row[name] for name in _ANSWER}, text)


class Queue:
    """Products that wait, most useful first, and those of each kind together.

    Args:
        rows: rows of the review queue, in its order.
        sentence: what is so, or why there is nothing.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]] = (), sentence: str = "") -> None:
        self.sentence = sentence
        self.waiting = list({each.id: each for each in map(Waiting.of, rows) if each.key}.values())
        self.by_id = {each.id: each for each in self.waiting}
        self.alike: dict[tuple[str, str], list[Waiting]] = {}
        for each in self.waiting:
            self.alike.setdefault(_group(each), []).append(each)

    def group(self, each: Waiting) -> list[Waiting]:
        """The products of one kind with the same answer, this one among them."""
        return self.alike[_group(each)]


def load_queue(lake: Lake, model: LiveModel | None, now: datetime) -> Queue:
    """The asset `review_queue` where it is of today and not empty; else a queue of the last days, as `prodclf review export` makes it.

    Raises:
        LakeError: the lake cannot be read.
    """
    import pyarrow.parquet as pq

    version = lake.find_latest(ASSET)
    rows: list[dict[str, Any]] = []
    if version is not None:
        rows = pq.read_table(io.BytesIO(lake.read_bytes(version, "table.parquet"))).to_pylist()
        if rows and now - version.created_at < FRESH:
            return Queue(rows, f"as of {version.created_at:%Y-%m-%d %H:%M} UTC")
    try:
        from prodclf_assets.monitoring.review.human_labels import human_labels
        from prodclf_assets.monitoring.review.review_queue import queue_for
    except ModuleNotFoundError:
        # The serving image does without pandas; the graph beside it makes the asset every night.
        return Queue(rows, "as of the last run of the graph")
    found = queue_for(lambda: model, lake, human_labels(lake).table, now - WINDOW, now)
    table = found.table.astype(object).where(found.table.notna(), None)
    return Queue(table.to_dict("records"), found.sentence)


def _group(each: Waiting) -> tuple[str, str]:
    """Alike: of one kind, with the same answer; a mere guess sets nothing apart."""
    answer = each.answer
    return each.kind, "" if answer["decision"] == "abstain" else str(answer["predicted_category"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
