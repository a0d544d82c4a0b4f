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
            "title, 80/10/10, so that copies never straddle. It has learnt from all products. Measured was a model made the same "
            f"way that had not seen the products it was measured on: {report['measured_by']}.",
            "",
            "| | accuracy | macro-F1 |",
            "|---|---|---|",
            f"| model | {report['accuracy']:.4f} | {report['macro_f1']:.4f} |",
            f"| {report.get('baseline_name', 'linear SVM')} on TF-IDF | {report['baseline_accuracy']:.4f} | {report['baseline_macro_f1']:.4f} |",
            f"| largest category always | {report['majority_accuracy']:.4f} | |",
            "",
            f"{report['promise']} Calibration error {report['ece']:.4f}.",
            *_single(report),
            "",
            *_weakest(report["per_category"]),
            "",
            "**Limits** It answers only categories it was trained on, reads text and numbers but no images, and is "
            "measured on this shop's wording: another shop's needs a training of its own.",
        ]
    )


def _single(report: Mapping[str, Any]) -> list[str]:
    """The figures of each row's own category, where they differ from those of any category of the product."""
    if not report["several_rows"]:
        return []
    return [
        "",
        f"{report['several_rows']:,} of the {report['rows']:,} products are in several categories, and an answer is right when it is any "
        f"of them. By the category of the row alone: accuracy {report['single_accuracy']:.4f}, macro-F1 "
        f"{report['single_macro_f1']:.4f}, filed rightly {report['single_auto_precision']:.1%}.",
    ]


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
