"""Score a whole catalogue in bounded memory, and again only where a product or the model changed.

The answers lie in one Parquet file, a row group for each batch. Each row has a hash of everything the model sees of
the product; a product with the same hash has the same answer from the same model, so it is looked up in the file of
the time before instead of predicted. In memory are one batch, a few row groups, and 16 bytes for each product.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prodclf_assets.catalog.cleaning.row_hashes import row_hashes
from prodclf_assets.catalog.columns import NUMERIC_COLUMNS
from prodclf_assets.catalog.product import BATCH_TEXT_COLUMNS, ProductBatch
from prodclf_assets.classifier.scoring.score_table import in_order

if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle

HASH_COLUMN: Final = "product_hash"
ANSWERS: Final = pa.schema(
    [
        ("predicted_category", pa.large_string()),
        ("confidence", pa.float64()),
        ("decision", pa.large_string()),
        ("branch", pa.large_string()),
        ("alternatives", pa.large_string()),
    ]
)
# Row groups of earlier answers that are kept decoded: neighbours in a catalogue stay neighbours.
_GROUPS_KEPT: Final = 4


@dataclass(frozen=True)
class Rescored:
    """What scoring a catalogue came to.

    Attributes:
        rows: products, each with an answer.
        scored: products that were predicted now; the others' answers are those of the time before.
        decisions: products for each of `auto`, `review` and `abstain`.
    """

    rows: int
    scored: int
    decisions: dict[str, int]


class EarlierAnswers:
    """The answers of a file that `rescore` wrote with the same model, by the hash of the product."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        sizes = [
            self._file.metadata.row_group(number).num_rows for number in range(self._file.num_row_groups)
        ]
        self._first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        hashes = self._file.read([HASH_COLUMN])[HASH_COLUMN].to_numpy()
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]
        self._kept: OrderedDict[int, pa.Table] = OrderedDict()

    def find(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Return the row of each hash in the file, -1 where it is not there."""
        if not len(self._sorted):
            return np.full(len(hashes), -1)
        place = np.minimum(np.searchsorted(self._sorted, hashes), len(self._sorted) - 1)
        return np.where(self._sorted[place] == hashes, self._order[place], -1)

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """Return the answers in these rows of the file, in this order."""
        groups = np.searchsorted(self._first, rows, side="right") - 1
        parts, order = [], []
        for group in np.unique(groups):
            mine = np.flatnonzero(groups == group)
            parts.append(self._group(int(group)).take(rows[mine] - self._first[group]))
            order.append(mine)
        return pa.concat_tables(parts).take(np.argsort(np.concatenate(order)))

    def _group(self, number: int) -> pa.Table:
        if number not in self._kept:
            self._kept[number] = self._file.read_row_group(number, columns=ANSWERS.names)
            if len(self._kept) > _GROUPS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]


def answer_columns(products: ProductBatch, bundle: "Bundle") -> "dict[str, pa.Array]":
    """The answers of a model to products, as the columns of `ANSWERS`."""
    return bundle.predict(products).to_columns(bundle.labels)


def rescore(
    batches: Iterable[pa.Table],
    predict: Callable[[ProductBatch], "Mapping[str, pa.Array]"],
    model_version: str,
    out: Path,
    earlier: EarlierAnswers | None,
    *,
    at_once: int = 1,
) -> Rescored:
    """Write every product with its answer to a Parquet file.

    Args:
        batches: products, with their columns as in a products frame; all batches have the same columns.
        predict: answers products, as `answer_columns` does.
        model_version: what the column `model_version` says.
        out: the file to write.
        earlier: answers that the same model gave before, if there are any.
        at_once: how many batches `predict` may be asked at once; meanwhile the next are read and those before written.
    """
    decisions: Counter[str] = Counter()
    rows = scored = 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch, predicted in in_order(
            lambda batch: (batch, _predicted(batch, predict)), _looked_up(batches, earlier), at_once
        ):
            answers = _answers(batch.found, predicted, earlier)
            table = batch.products.replace_schema_metadata(None)
            for name in ANSWERS.names:
                table = table.append_column(name, answers[name])
            table = table.append_column(
                "model_version", pa.array([model_version] * len(batch.found), pa.large_string())
            )
            table = table.append_column(HASH_COLUMN, pa.array(batch.hashes))
            writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
            writer.write_table(table)
            rows, scored = rows + len(batch.found), scored + len(batch.new)
            decisions.update(answers["decision"].to_pylist())
    finally:
        if writer is not None:
            writer.close()
    return Rescored(rows, scored, {name: decisions[name] for name in ("auto", "review", "abstain")})


@dataclass(frozen=True, eq=False)
class _Batch:
    """Some products.

    Attributes:
        products: their columns.
        hashes: uint64[n], see `product_hashes`.
        found: int64[n], rows of earlier answers, -1 where there is none.
        new: those without, to be predicted.
    """

    products: pa.Table
    hashes: npt.NDArray[np.uint64]
    found: npt.NDArray[np.int64]
    new: ProductBatch


def _looked_up(batches: Iterable[pa.Table], earlier: EarlierAnswers | None) -> Iterator[_Batch]:
    for products in batches:
        frame = products.to_pandas(types_mapper=_TEXTS.get, ignore_metadata=True)
        hashes = product_hashes(frame)
        found = earlier.find(hashes) if earlier else np.full(len(frame), -1)
        yield _Batch(products, hashes, found, ProductBatch.from_frame(frame[found < 0]))


def _predicted(
    batch: _Batch, predict: Callable[[ProductBatch], "Mapping[str, pa.Array]"]
) -> "Mapping[str, pa.Array]":
    return predict(batch.new) if len(batch.new) else {name: [] for name in ANSWERS.names}


def product_hashes(frame: pd.DataFrame) -> npt.NDArray[np.uint64]:
    """Return a hash of everything a model sees of each product; the same in every process."""
    return row_hashes(frame, [*BATCH_TEXT_COLUMNS, *NUMERIC_COLUMNS])


def _answers(
    found: npt.NDArray[np.int64], predicted: "Mapping[str, pa.Array]", earlier: EarlierAnswers | None
) -> pa.Table:
    """Return the answer of each product: those found from before, the others as predicted."""
    new = np.flatnonzero(found < 0)
    parts, order = [pa.table({name: predicted[name] for name in ANSWERS.names}, schema=ANSWERS)], [new]
    if earlier is not None and len(new) < len(found):
        old = np.flatnonzero(found >= 0)
        parts.append(earlier.take(found[old]).cast(ANSWERS))
        order.append(old)
    return pa.concat_tables(parts).take(np.argsort(np.concatenate(order)))


_TEXTS: Final = {pa.string(): pd.StringDtype("pyarrow"), pa.large_string(): pd.StringDtype("pyarrow")}
