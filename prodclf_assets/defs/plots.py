"""Plots of the catalogue and of the model, small enough to be shown inside asset metadata.

Every function returns the bytes of a PNG; `inline` makes Markdown of them for Dagster's UI.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, ACCENT, FAINT = "#334155", "#2563eb", "#cbd5e1"
LONGEST_LABEL = 34


def inline(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """Return a PNG as Markdown that carries the image in itself."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def class_distribution(counts: Mapping[str, int]) -> bytes:
    """Plot rows per category, largest first, on a logarithmic scale."""
    sizes = sorted(counts.values(), reverse=True)
    figure, axes = _canvas(6.0, 2.8)
    axes.fill_between(range(1, len(sizes) + 1), sizes, step="mid", color=ACCENT, alpha=0.85, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlabel("category, by size")
    axes.set_ylabel("rows")
    return _png(figure)


def reliability(confidence: Sequence[float], accuracy: Sequence[float], rows: Sequence[int]) -> bytes:
    """Plot stated confidence against measured accuracy, one point per bin, its area by the rows in it."""
    figure, axes = _canvas(3.6, 3.4)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
    sizes = np.asarray(rows, dtype=float)
    axes.plot(confidence, accuracy, color=ACCENT, linewidth=1)
    # Not clipped: the best of a good model lie in the corner.
    areas = 4 + 26 * sizes / max(sizes.max(initial=0), 1)
    axes.scatter(confidence, accuracy, s=areas, color=ACCENT, zorder=3, clip_on=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("stated confidence")
    axes.set_ylabel("share correct")
    return _png(figure)


def coverage_at_precision(coverage: Sequence[float], precision: Sequence[float], target: float) -> bytes:
    """Plot how precise the most confident answers are, for each share of the products that they make up."""
    figure, axes = _canvas(4.2, 3.0)
    axes.plot(coverage, precision, color=ACCENT, linewidth=1.6)
    axes.axhline(target, color=FAINT, linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(min(0.5, *precision), 1.005)
    axes.set_xlabel("share of products, most confident first")
    axes.set_ylabel("share correct")
    return _png(figure)


def feature_importance(gains: Mapping[str, float]) -> bytes:
    """Plot the share of the re-ranker's gain that each feature brought, largest on top."""
    ordered = sorted(gains.items(), key=lambda item: item[1])
    figure, axes = _canvas(5.6, 0.5 + 0.22 * max(len(ordered), 3))
    axes.barh([_short(name) for name, _ in ordered], [gain for _, gain in ordered], color=ACCENT)
    axes.set_xlabel("share of gain")
    axes.tick_params(axis="y", labelsize=7)
    return _png(figure)


def learning_curve(losses: Mapping[int, float]) -> bytes:
    """Plot how far held-out answers were from the truth after so many rounds of boosting."""
    figure, axes = _canvas(4.2, 2.6)
    axes.plot(list(losses), list(losses.values()), color=ACCENT, linewidth=1.6, marker="o", markersize=3)
    axes.set_xlabel("trees")
    axes.set_ylabel("log loss, held-out products")
    return _png(figure)


def search_history(gains: Sequence[float], best: Sequence[float]) -> bytes:
    """Plot the gain of each trial over the default parameters, and the best up to then."""
    figure, axes = _canvas(5.0, 2.8)
    numbers = range(1, len(gains) + 1)
    axes.axhline(0, color=FAINT, linewidth=1)
    axes.scatter(numbers, gains, s=14, color=FAINT, edgecolors=INK, linewidths=0.5)
    axes.step(numbers, best, where="post", color=ACCENT, linewidth=1.6)
    # A bad trial would press all others into one line.
    axes.set_ylim(bottom=max(min(gains, default=0.0), -4 * max(0.005, *best, 0.0)))
    axes.set_xlabel("trial")
    axes.set_ylabel("log loss below the default's")
    return _png(figure)


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> bytes:
    """Plot a confusion matrix, rows the true category, each row as shares of its total."""
    matrix = np.asarray(counts, dtype=float)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 1.6 + 0.24 * len(labels)
    figure, axes = _canvas(side + 1.2, side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(labels))
    axes.set_xticks(ticks, [_short(label) for label in labels], rotation=90, fontsize=6)
    axes.set_yticks(ticks, [_short(label) for label in labels], fontsize=6)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        shade = "white" if shares[row, column] > 0.5 else INK
        axes.text(
            column, row, f"{matrix[row, column]:.0f}", ha="center", va="center", fontsize=5, color=shade
        )
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    return _png(figure)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"…{label[-LONGEST_LABEL + 1 :]}"


def _canvas(width: float, height: float) -> "tuple[Figure, Axes]":
    # Imported when something is drawn: definitions load in every process of every step, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot: it keeps every figure alive, and picks a backend that may want a display.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)
    return figure, axes


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()
