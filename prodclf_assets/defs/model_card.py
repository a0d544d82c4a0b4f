"""The model card: what a person should know before trusting a registered version."""

from collections.abc import Mapping, Sequence
from typing import Any

MOST_CATEGORIES = 15


def model_card(report: Mapping[str, Any], source: str, data_hash: str, git_commit: str | None) -> str:
    """Return the card of a model as Markdown.

    Args:
        report: its evaluation.
        source: where its products came from.
        data_hash: of the rows it was trained and calibrated on.
        git_commit: of the code that trained it.
    """
    return "\n".join(
        [
            f"Files products into {report['labels']:,} categories: retrieve candidates, re-rank with LightGBM, calibrate.",
            "",
            f"**Data** {source}, data hash `{data_hash[:16]}`, code `{git_commit or 'unknown'}`. Split by a hash of the "
            "title, 80/10/10, so that duplicates never straddle; measured on the held-out tenth.",
            "",
            "| | accuracy | macro-F1 |",
            "|---|---|---|",
            f"| model | {report['accuracy']:.4f} | {report['macro_f1']:.4f} |",
            f"| linear SVM on TF-IDF | {report['baseline_accuracy']:.4f} | {report['baseline_macro_f1']:.4f} |",
            f"| largest category always | {report['majority_accuracy']:.4f} | |",
            "",
            f"Of {report['rows']:,} products, {report['auto_share']:.1%} would be filed without a person, "
            f"{report['auto_precision']:.1%} of them correctly. Calibration error {report['ece']:.4f}.",
            "",
            *_weakest(report["per_category"]),
            "",
            "**Limits** It answers only categories it was trained on, reads text and numbers but no images, and is "
            "measured on this shop's wording: another shop's needs a training of its own.",
        ]
    )


def _weakest(per_category: Sequence[Mapping[str, Any]]) -> list[str]:
    common = [row for row in per_category if row["rows"] >= 5]
    rows = sorted(common, key=lambda row: (row["f1"], row["category"]))[:MOST_CATEGORIES]
    lines = [
        f"| {row['category']} | {row['rows']} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} |"
        for row in rows
    ]
    return [
        "**Weakest categories**",
        "",
        "| category | rows | precision | recall | F1 |",
        "|---|---|---|---|---|",
        *lines,
    ]
