"""The whole catalogue, filed by the champion."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from prodclf_assets.api.classifier import Classifier
from prodclf_assets.catalog.cleaning.current_rows import current_rows_of
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, DATA_OWNER, code_version
from prodclf_assets.defs.automation import inputs_changed
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import resolve_version, version_metadata
from prodclf_assets.defs.metadata import counts_table
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.errors import LakeError
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.audit.overlay import read_overlay
from prodclf_assets.monitoring.review.unfiled import PREDICTIONS, unfiled_parts
from prodclf_assets.settings import get_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from prodclf_assets.catalog.product import ProductBatch
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.classifier.scoring.rescoring import EarlierAnswers

ROWS_AT_ONCE: Final = 16_384


@dg.asset(
    group_name="classifier",
    owners=[DATA_OWNER, CATALOGUE_OWNER],
    kinds={"parquet", "lightgbm"},
    tags={"stage": "answers"},
    code_version=code_version("classifier"),
    deps=["raw_products", "promotion_decision"],
    automation_condition=inputs_changed(),
    io_manager_key="table_io",
    output_required=False,
)
def predictions(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[Any]]:
    """Every product of the catalogue with the champion's answer, those without a category too.

    Streamed, so the catalogue may be larger than memory. Only products that changed are scored anew, all when the
    champion did. Without a champion there is nothing to make.
    """
    made = _score(context, lake)
    if made is not None:
        yield made


@user_errors
def _score(context: dg.AssetExecutionContext, store: LakeResource) -> dg.MaterializeResult[Any] | None:
    from prodclf_assets.classifier.scoring.rescoring import rescore

    live, lake = Classifier.live(), store.open()
    if live is None:
        context.log.info("there is no champion yet: nothing is scored")
        return None
    held = read_overlay(lake).version or "nothing held"
    made_by = f"{live.bundle.version} {code_version('classifier')} {held}"
    raw = resolve_version(lake, dg.AssetKey("raw_products"), context.instance, context.run)
    with ExitStack() as stack:
        earlier = _earlier(context, lake, made_by, stack)
        source = StoredTable(stack.enter_context(lake.opened(raw)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prodclf-")))
        predict, at_once = _workers(live.bundle, stack)
        table = folder / "table.parquet"
        out = rescore(current_batches(source), predict, live.version, table, earlier, at_once=at_once)
        never = _never_answers(lake)
        (folder / "notes.json").write_text(
            json.dumps({"made_by": made_by, "never_answers": never}), encoding="utf-8"
        )
        unfiled = Counter(
            choice
            for part in unfiled_parts(folder / "table.parquet", never, ["title", "decision"])
            for choice in part["decision"]
        )
        version = lake.write(PREDICTIONS, folder, metadata={"dagster_run_id": context.run_id})
    context.log.info(
        f"{out.rows:,} products, {out.scored:,} of them scored now, by version {live.version}; "
        f"{unfiled.total():,} had no category, {unfiled['auto']:,} of these need no person"
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": out.rows,
            "scored_now": out.scored,
            "taken_from_before": out.rows - out.scored,
            "model_version": live.version,
            "auto_share": out.decisions["auto"] / max(out.rows, 1),
            "decisions": counts_table(out.decisions, "decision"),
            "unfiled": unfiled.total(),
            "unfiled_auto": unfiled["auto"],
            **version_metadata(lake, version),
        },
        data_version=dg.DataVersion(version.content_hash),
    )


def _workers(
    bundle: "Bundle", stack: ExitStack
) -> "tuple[Callable[[ProductBatch], Mapping[str, pa.Array]], int]":
    """What answers, and how many batches it may be asked at once: this process, or the cluster that is set."""
    from prodclf_assets.classifier.scoring.rescoring import answer_columns

    address = get_settings().ray_address
    if not address:
        return partial(answer_columns, bundle=bundle), 1  # a call uses all cores by itself
    from prodclf_assets.ray_node.session import ray_session

    stack.enter_context(ray_session(address, cores=0))
    from prodclf_assets.cluster.workers import Workers

    model = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prodclf-")))
    bundle.save(model)
    workers = Workers(model, answer_columns, bundle.holds)
    return workers.do, workers.count


def current_batches(raw: StoredTable) -> "Iterator[pa.Table]":
    """Yield the products of a stored `raw_products` that count, some thousands at a time and in order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    mask, first = current_rows_of(raw).mask, 0
    for batch in pq.ParquetFile(raw.path).iter_batches(ROWS_AT_ONCE):
        kept = mask[first : first + len(batch)]
        first += len(batch)
        if kept.any():
            yield pa.Table.from_batches([batch]).filter(pa.array(kept))


def _never_answers(lake: Lake) -> list[str]:
    """Return the categories that were no answers when the catalogue was last cleaned."""
    version = lake.find_latest("clean_products")
    report = {} if version is None else json.loads(lake.read_bytes(version, "notes.json"))["cleaning"]
    return list(report.get("never_answers", ()))


def _earlier(
    context: dg.AssetExecutionContext, lake: Lake, made_by: str, stack: ExitStack
) -> "EarlierAnswers | None":
    """Return the latest answers where the same model and code gave them, open until the stack is closed."""
    from prodclf_assets.classifier.scoring.rescoring import EarlierAnswers

    try:
        version = lake.find_latest(PREDICTIONS)
        if version is None or json.loads(lake.read_bytes(version, "notes.json"))["made_by"] != made_by:
            return None
        return EarlierAnswers(stack.enter_context(lake.opened(version)) / "table.parquet")
    except LakeError as error:
        context.log.warning(
            f"every product is scored again, since the answers before cannot be used: {error}"
        )
        return None
