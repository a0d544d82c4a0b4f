"""The review queue: products whose answer is in doubt, in the order in which a person's time is best spent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS, PRODUCT_COLUMNS
from prodclf_assets.catalog.event_logs import PREDICTION_LOG
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.errors import BundleError
from prodclf_assets.lake import EventLog, Lake
from prodclf_assets.monitoring.live_model import LiveModel
from prodclf_assets.monitoring.review.unfiled import unfiled_doubts

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ASKED: Final = 20_000
"""Different products that the model is asked again, the latest: two seconds of work."""
MOST_QUEUED: Final = 10_000
ANSWER_COLUMNS: Final = ("predicted_category", "branch", "confidence", "decision")
QUEUE_COLUMNS: Final = (
    *ANSWER_COLUMNS,
    *PRODUCT_COLUMNS,
    "times",
    "usefulness",
    "last_seen",
    "request_id",
    "model_version",
)
_SEEN: Final = ("time", "request_id", *PRODUCT_COLUMNS)


@dataclass(frozen=True, eq=False)
class ReviewQueue:
    """Products in doubt.

    Attributes:
        table: `QUEUE_COLUMNS`, most useful first. `times` is how often the product came, `usefulness` is explained at
            `queue_of`.
        doubtful: different products that were answered with doubt.
        labelled: of these, products that a person has given a category since.
        settled: of these, products that the present model is sure of.
        sentence: what is so, or why there is nothing.
    """

    table: pd.DataFrame
    doubtful: int
    labelled: int
    settled: int
    sentence: str


def doubtful_products(predictions: EventLog, since: datetime, until: datetime) -> pd.DataFrame:
    """The different products that were answered `review` or `abstain` between two times, by whatever model.

    Returns:
        The columns of a product, `times` (how often it came), `last_seen` and `request_id` of the last time; the latest
        products only, when there are very many.
    """
    parts = [_nothing()]
    for part in predictions.batches(since, until, [*_SEEN, "decision"]):
        parts.append(_in_doubt(part))
        if sum(map(len, parts)) > 5 * MOST_ASKED:
            parts = [different_products(pd.concat(parts, ignore_index=True))]
    return different_products(pd.concat(parts, ignore_index=True))


def different_products(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of products, oldest first, as one row a product, with how often it came."""
    keys = product_key(rows)
    times = rows.groupby(keys, sort=False, dropna=False)["times"].transform("sum").astype("int64")
    last = rows.assign(times=times)[~keys.duplicated(keep="last")]
    return last.tail(MOST_ASKED).reset_index(drop=True)


def queue_of(products: pd.DataFrame, labelled: pd.DataFrame, model: LiveModel) -> ReviewQueue:
    """Ask the present model of products that were in doubt, and order those that still are.

    Usefulness is doubt times how often such products come: (1 - confidence) x (times it came) x (times that products with
    the same answer came) / (its place among those). So the first rows of the queue are shared out over kinds of products
    in proportion to how often each comes (as d'Hondt shares out seats), the most doubtful of each kind first.

    Args:
        products: as `doubtful_products` gives them.
        labelled: people's labels; a product in it needs no more.
        model: the live model.
    """
    done = product_key(products).isin(product_key(labelled))
    open_ = products[~done].reset_index(drop=True)
    answers = model.bundle.predict(ProductBatch.from_frame(open_))
    asked = open_.assign(
        predicted_category=pd.array(answers.category, dtype=TEXT_DTYPE),
        branch=pd.array(answers.branch, dtype=TEXT_DTYPE),
        confidence=answers.confidence,
        decision=pd.array(list(answers.decision), dtype=TEXT_DTYPE),
        model_version=pd.array([model.version] * len(open_), dtype=TEXT_DTYPE),
    )
    unsure = asked[asked["decision"] != "auto"]
    unsure = unsure.assign(usefulness=(1 - unsure["confidence"]) * unsure["times"])
    unsure = unsure.iloc[np.lexsort((unsure["title"].astype(str), -unsure["usefulness"]))]
    kind = unsure.groupby("predicted_category", sort=False)
    share = kind["times"].transform("sum") / (kind.cumcount() + 1)
    queue = unsure.assign(usefulness=(unsure["usefulness"] * share).round(6)).sort_values(
        "usefulness", ascending=False, kind="stable"
    )
    table = queue[list(QUEUE_COLUMNS)].head(MOST_QUEUED).reset_index(drop=True)
    settled = len(asked) - len(unsure)
    sentence = (
        f"{len(unsure):,} products are to be reviewed; of {len(products):,} answered with doubt, {int(done.sum()):,} have "
        f"been labelled since, and of {settled:,} model version {model.version} is sure"
    )
    return ReviewQueue(table, len(products), int(done.sum()), settled, sentence)


def queue_for(
    find_model: Callable[[], LiveModel | None],
    lake: Lake,
    labelled: pd.DataFrame,
    since: datetime,
    until: datetime,
    more: pd.DataFrame | None = None,
) -> ReviewQueue:
    """The queue of what was answered between two times, and of what the shop has not filed; empty where no model is live.

    Args:
        find_model: gives the live model, None when there is none.
        lake: holds the prediction log, and the catalogue as the champion filed it.
        labelled: people's labels.
        since, until: aware times.
        more: other products in doubt, with the columns of `doubtful_products`.
    """
    try:
        model = find_model()
    except BundleError as error:
        return _empty_queue(f"the live model cannot be read ({error})")
    if model is None:
        return _empty_queue("no model is live yet")
    products = doubtful_products(lake.events(PREDICTION_LOG), since, until)
    for other in (unfiled_doubts(lake), more):
        if other is not None:
            products = different_products(
                pd.concat([products, other.astype(products.dtypes.to_dict())], ignore_index=True)
            )
    return queue_of(products, labelled, model)


def _empty_queue(why: str) -> ReviewQueue:
    texts = {name: pd.array([], dtype=TEXT_DTYPE) for name in QUEUE_COLUMNS}
    numbers = {name: pd.array([], dtype="float64") for name in (*NUMERIC_COLUMNS, "confidence", "usefulness")}
    other = {
        "times": pd.array([], dtype="int64"),
        "last_seen": pd.DatetimeIndex([], tz="UTC").as_unit("us"),
    }
    return ReviewQueue(pd.DataFrame({**texts, **numbers, **other})[list(QUEUE_COLUMNS)], 0, 0, 0, why)


def _in_doubt(part: "pa.Table") -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pc.and_(
        pc.is_in(part["decision"], value_set=pa.array(["review", "abstain"])), pc.is_valid(part["title"])
    )
    rows = part.filter(wanted).select(list(_SEEN)).to_pandas()
    return _with_dtypes(rows.rename(columns={"time": "last_seen"})).assign(times=1)


def _nothing() -> pd.DataFrame:
    names = ["last_seen", *_SEEN[1:]]
    empty = pd.DataFrame({name: [] for name in names})
    empty["last_seen"] = pd.DatetimeIndex([], tz="UTC").as_unit("us")
    return _with_dtypes(empty).assign(times=pd.array([], dtype="int64"))


def _with_dtypes(rows: pd.DataFrame) -> pd.DataFrame:
    texts: Iterable[str] = [name for name in rows.columns if name not in (*NUMERIC_COLUMNS, "last_seen")]
    return rows.astype({**dict.fromkeys(texts, TEXT_DTYPE), **dict.fromkeys(NUMERIC_COLUMNS, "float64")})
