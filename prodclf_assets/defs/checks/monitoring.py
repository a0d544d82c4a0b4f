"""Checks that warn and block nothing: drift is not error, and a shop may change its categories."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from prodclf_assets.api.model_folder import live_categories
from prodclf_assets.catalog.category_sets import category_counts
from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.catalog.splits import OTHER
from prodclf_assets.catalog.stored_table import Columns, StoredTable
from prodclf_assets.catalog.taxonomy import Taxonomy, load_taxonomy
from prodclf_assets.defs.checks.measures import CERTAIN_ROWS
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.metadata import records_table
from prodclf_assets.defs.resources import CatalogueSource

MOST_LISTED = 100
# Real catalogues had 1 to 9 suspects in a hundred listings, see the benchmark of suspects.
SUSPECTS_LIMIT = 0.2
SUSPECTS_GROWTH = 1.5


@dg.asset_check(asset="drift_report")
@user_errors
def no_drift(drift_report: dict[str, Any]) -> dg.AssetCheckResult:
    """The products of the last days are like those that the live model was trained on."""
    return check_drift(drift_report)


def check_drift(report: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Warn of drift; an error only where people disagree with the answers."""
    worst = [f"{cause['name']}: {cause['sentence']}" for cause in report["measures"] if cause["drifted"]]
    severe = report["advice"] == "retrain"
    return dg.AssetCheckResult(
        passed=not report["drifted"],
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description=f"{report['sentence']}; advice: {report['advice']}. {'. '.join(worst)}"
        if worst
        else report["sentence"],
        metadata={
            "products": report["rows"],
            "labels": report["labels"],
            "advice": report["advice"],
            **{
                f"effect_{cause['name']}": cause["effect"]
                for cause in report["measures"]
                if cause["measured"]
            },
        },
    )


@dg.asset_check(asset="audit_report")
@user_errors
def promise_kept(audit_report: dict[str, Any]) -> dg.AssetCheckResult:
    """Of what is filed without a person, nothing that people found breaks the promise."""
    return check_promise(audit_report)


def check_promise(report: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Fail while something is held for review; not to know yet is no fault."""
    remedy = "; what is held goes to review until `prodclf audit release`" if report["held"] else ""
    return dg.AssetCheckResult(
        passed=report["state"] != "broken",
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{report['sentence']}{remedy}",
        metadata={
            **{name: report["overall"][name] for name in ("answers", "wrong", "precision", "lower", "upper")},
            "held": len(report["held"]),
        },
    )


@dg.asset_check(asset="clean_products")
@user_errors
def categories_of_the_live_model(
    clean_products: StoredTable, catalogue_source: CatalogueSource
) -> dg.AssetCheckResult:
    """The catalogue's categories are those that the live model answers; what differs, the taxonomy file says."""
    taxonomy = load_taxonomy(catalogue_source.resolved_taxonomy())
    return check_live_categories(clean_products, live_categories(), taxonomy)


def check_live_categories(
    products: Columns, live: Sequence[str] | None, taxonomy: Taxonomy
) -> dg.AssetCheckResult:
    """List the categories that vanished from the catalogue and those that appeared, beside the live model's."""
    counts = category_counts(products)
    if live is None:
        return dg.AssetCheckResult(
            passed=True,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(counts):,} categories; no model is live yet",
            metadata={"categories": len(counts)},
        )
    vanished, appeared = differences(counts, live, taxonomy)
    unexplained = [label for label, _, why in (*vanished, *appeared) if not why]
    return dg.AssetCheckResult(
        passed=not unexplained,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(vanished)} of the live model's {len(live):,} categories have vanished from the catalogue, "
        f"{len(appeared)} have appeared"
        + (
            f"; not in the taxonomy file: {', '.join(map(repr, unexplained[:3]))}; say there if they were renamed, "
            "merged, split or retired"
            if unexplained
            else ""
        ),
        metadata={
            "vanished": len(vanished),
            "appeared": len(appeared),
            "unexplained": len(unexplained),
            "differences": records_table(
                [
                    {"category": label, "change": change, "rows": rows, "taxonomy": why}
                    for change, found in (("vanished", vanished), ("appeared", appeared))
                    for label, rows, why in found[:MOST_LISTED]
                ],
                {"category": "string", "change": "string", "rows": "int", "taxonomy": "string"},
            ),
        },
    )


@dg.asset_check(asset="suspect_labels")
@user_errors
def usual_share_of_suspects(suspect_labels: StoredTable) -> dg.AssetCheckResult:
    """No more listings are suspect than one in five, nor clearly more than the time before."""
    return check_suspects(suspect_labels.notes)


def check_suspects(notes: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Warn where the shop's categories got worse at once: a feed mixed up, a column mapped wrongly.

    Clearly more is half as many again, and beyond chance: more than three standard errors of the difference of two
    shares (one in 700 by chance).
    """
    listings, suspects = notes["listings"], notes["suspects"]
    before = notes["before"] or {"listings": 0, "suspects": 0}
    share, earlier = (found["suspects"] / max(1, found["listings"]) for found in (notes, before))
    common = (suspects + before["suspects"]) / max(1, listings + before["listings"])
    noise = 3 * (common * (1 - common) * (1 / max(1, listings) + 1 / max(1, before["listings"]))) ** 0.5
    grown = before["listings"] > 0 and share > max(SUSPECTS_GROWTH * earlier, earlier + noise)
    passed = share <= SUSPECTS_LIMIT and not grown
    compared = f", {earlier:.1%} the time before" if before["listings"] else ""
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{share:.1%} of {listings:,} listings are in a category that the model contradicts{compared}"
        + (
            ""
            if passed
            else "; commonest_moves says which: a feed or the mapping may have mixed categories up"
        ),
        metadata={"listings": listings, "suspects": suspects, "share": share, "share_before": earlier},
    )


def differences(
    counts: Mapping[str, int], live: Sequence[str], taxonomy: Taxonomy
) -> tuple[list[tuple[str, int, str]], list[tuple[str, int, str]]]:
    """Return the live categories that are gone, and those of the catalogue that are new: name, rows, what the file says."""
    # A live label may be a branch, which stands for categories that were too rare to learn.
    kept = {*counts, OTHER} | {
        PATH_SEPARATOR.join(levels[:depth])
        for levels in (label.split(PATH_SEPARATOR) for label in counts)
        for depth in range(1, len(levels))
    }
    vanished = [(label, 0, taxonomy.describe(label)) for label in live if label not in kept]
    # Too few rows are not a category to the model, so that it does not answer them is nothing new.
    appeared = [
        (label, rows, "named in the taxonomy file" if label in taxonomy.targets else "")
        for label, rows in sorted(counts.items())
        if rows >= CERTAIN_ROWS and label not in set(live)
    ]
    return vanished, appeared
