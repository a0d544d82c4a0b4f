"""What looks wrong with the labels of a catalogue, each with its extent, examples and the lines that mend it."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prodclf_assets.catalog.catch_alls import ends_in_catch_all
from prodclf_assets.catalog.category_sets import category_counts
from prodclf_assets.catalog.cleaning.cleaning import CleaningReport, CleanResult
from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.catalog.label_checks.labels import Labels
from prodclf_assets.catalog.label_checks.spelling import spelling_groups
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
from prodclf_assets.catalog.reading.issues import shown

WORTHLESS_FROM: Final = 0.5
"""Share of the rows with senseless labels from which a training would be worthless."""
_NOTABLE: Final = 0.01
_EXAMPLES: Final = 3
_LINES: Final = 500
_LONGEST_NAME: Final = 60
_PRICE: Final = re.compile(r"[^\w\s]?\s?\d[\d.,' ]*[.,]\d{2}\s?[^\w\s]?|[$€£¥₹]\s?\d+|\d+\s?[$€£¥₹]")
_DIGITS: Final = re.compile(r"\d+(?:\.0)?")
_WRITTEN: Final = re.compile(r"""[\[\]{}]|^["']|["'] ?[,:]|[,:] ?["']""")
_OBJECT: Final = re.compile(r"""[{}]|["'] ?[,:]|[,:] ?["']""")
_SEPARATORS: Final = (" / ", "/", "|", "\\", "::", " - ")
_SEVERAL: Final = (",", ";", "|")
_LONGEST_PRICE: Final = 20
_OTHER_COLUMN: Final = "name another column under category_path in the mapping"


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Attributes:
        kind: its name.
        what: what is so, in words, with how many categories and products.
        categories: how many categories it is about.
        share: of the rows, 0 to 1.
        examples: up to three.
        remedy: what to do about it.
        lines: the lines of YAML that mend it, where there are any: of the mapping file, or as `remedy` says.
        worthless: whether a model trained on such labels would be of no use.
    """

    kind: str
    what: str
    categories: int
    share: float
    examples: tuple[str, ...]
    remedy: str
    lines: tuple[str, ...] = ()
    worthless: bool = False

    def __str__(self) -> str:
        """One sentence, with the line that mends it where there is one."""
        such = f", such as {', '.join(self.examples)}" if self.examples else ""
        line = f" (`{shown(self.lines[0])}`)" if len(self.lines) == 1 else ""
        return f"{self.what}{such}: {self.remedy}{line}"


def label_findings(labels: Labels, report: CleaningReport, config: SourceConfig) -> list[Finding]:
    """Look at the labels of a clean catalogue; what makes a training worthless comes first.

    Args:
        labels: of the products that are left.
        report: what cleaning did.
        config: the mapping by which they were read, complete.
    """
    found = [
        _prices(labels),
        _numbers(labels),
        _written(labels),
        _several(labels),
        _unsplit(labels, config),
        _shallow(labels, config),
        _small(labels),
        _titles(labels),
        _brands(labels),
        _spelling(labels),
        _no_answers(report, config),
        _learnt_catch_alls(labels, config),
        _thinned(report),
    ]
    return sorted((one for one in found if one is not None), key=lambda one: not one.worthless)


def findings_of(clean: CleanResult, config: SourceConfig) -> list[Finding]:
    """Look at the labels of clean products in memory; see `label_findings`."""
    counts = category_counts(clean.products)
    return label_findings(Labels.of(counts, [clean.products]), clean.report, config)


def _finding(
    labels: Labels,
    kind: str,
    hits: Collection[str],
    what: str,
    remedy: str,
    lines: Sequence[str] = (),
    *,
    least: float = _NOTABLE,
    bad: bool = False,
    examples: Sequence[str] | None = None,
    share: float | None = None,
) -> Finding | None:
    """Return the finding that some categories are so; None where they are none, or have too few rows to matter."""
    share = labels.share(hits) if share is None else share
    if not hits or share < least:
        return None
    largest = sorted(hits, key=lambda name: (-labels.counts[name], name))[:_EXAMPLES]
    return Finding(
        kind,
        f"{len(hits):,} of {len(labels.counts):,} categories ({share:.1%} of the products) are {what}",
        len(hits),
        share,
        tuple(f"{_short(name)} ({labels.counts[name]:,})" for name in largest)
        if examples is None
        else tuple(examples),
        remedy,
        tuple(lines[:_LINES]),
        bad and share > WORTHLESS_FROM,
    )


def _numbers(labels: Labels) -> Finding | None:
    hits = [name for name in labels.counts if _DIGITS.fullmatch(name)]
    return _finding(labels, "numbers", hits, "mere numbers", f"if the names stand elsewhere, {_OTHER_COLUMN}")


def _prices(labels: Labels) -> Finding | None:
    """Prices; they teach nothing where each has a few products. Where each has many they may be codes, such as `8471.30`."""
    hits = [name for name in labels.counts if len(name) <= _LONGEST_PRICE and _PRICE.fullmatch(name)]
    return _finding(labels, "prices", hits, "prices", _OTHER_COLUMN, least=0.0, bad=_few_each(labels, hits))


def _few_each(labels: Labels, names: Collection[str]) -> bool:
    """Whether categories have so few rows each that they are no categories, but values of single products."""
    return 5 * len(names) > sum(labels.counts[name] for name in names)


def _written(labels: Labels) -> Finding | None:
    """Lists or objects as text; brackets alone may be part of a name."""
    hits = [name for name in labels.counts if _WRITTEN.search(name)]
    bad = labels.share(name for name in hits if _OBJECT.search(name)) > WORTHLESS_FROM
    return _finding(labels, "written", hits, "lists or objects written as text", _OTHER_COLUMN, bad=bad)


def _several(labels: Labels) -> Finding | None:
    """Cells that hold several paths: parts of a label are themselves categories, or branches of each other."""
    for mark in _SEVERAL:
        with_mark = {
            name: [part.strip() for part in name.split(mark)] for name in labels.counts if mark in name
        }
        branches = {
            PATH_SEPARATOR.join(levels[:depth])
            for name in labels.counts
            if mark not in name
            for levels in [name.split(PATH_SEPARATOR)]
            for depth in range(1, len(levels) + 1)
        }
        hits = [
            name
            for name, parts in with_mark.items()
            if any(part in branches or any(_above(part, other) for other in parts) for part in parts)
        ]
        what = f"several paths in one, parted by {mark!r}"
        found = _finding(labels, "several", hits, what, "say so in the mapping", [_line("several", mark)])
        if found:
            return found
    return None


def _unsplit(labels: Labels, config: SourceConfig) -> Finding | None:
    """Paths that were not split: most labels have one mark, and what stands before it comes again and again."""
    for mark in _SEPARATORS:
        hits = [name for name in labels.counts if mark in name.replace(PATH_SEPARATOR, "\0")]
        firsts = {name.replace(PATH_SEPARATOR, "\0").split(mark)[0] for name in hits}
        if len(hits) >= 4 and 4 * len(hits) >= 3 * len(labels.counts) and 4 * len(firsts) <= 3 * len(hits):
            depth = f", so that depth: {config.depth} cuts nothing" if config.depth else ""
            return _finding(
                labels,
                "unsplit",
                hits,
                f"paths that are not split at {mark.strip()!r}{depth}",
                "name the separator in the mapping" + (", or leave depth out" if config.depth else ""),
                [_line("separator", mark.strip())],
                bad=config.depth is not None and len(config.category_path) == 1,
            )
    return None


def _shallow(labels: Labels, config: SourceConfig) -> Finding | None:
    if config.depth is None or config.depth <= labels.levels:
        return None
    return Finding(
        "depth",
        f"depth: {config.depth} cuts nothing, since no category has more than {labels.levels:,} "
        f"level{'s' if labels.levels != 1 else ''}",
        len(labels.counts),
        1.0,
        tuple(map(repr, list(labels.counts)[:_EXAMPLES])),
        "take depth out of the mapping, or name the column that holds whole paths under category_path",
    )


def _small(labels: Labels) -> Finding | None:
    """Nearly as many categories as products."""
    alone = [name for name, count in labels.counts.items() if count == 1]
    if 10 * len(alone) < 3 * labels.rows and 2 * len(labels.counts) < labels.rows:
        return None
    depth = labels.best_depth
    return Finding(
        "small",
        f"{len(labels.counts):,} categories for {labels.rows:,} products, {len(alone):,} of them with a single one",
        len(alone),
        labels.share(alone),
        tuple(map(_short, alone[:_EXAMPLES])),
        "cut the paths in the mapping" if depth else f"for fewer and larger ones, {_OTHER_COLUMN}",
        (_line("depth", depth),) if depth else (),
    )


def _titles(labels: Labels) -> Finding | None:
    """Paths that end in the product's own title."""
    hits = _own(labels, labels.titles)
    share = sum(labels.titles[name] for name in hits) / max(labels.rows, 1)
    whole = [name for name in hits if PATH_SEPARATOR not in name]
    depth = labels.best_depth
    if depth is None and share > WORTHLESS_FROM:
        remedy, lines = _OTHER_COLUMN, []
    elif depth is None or 2 * len(whole) > len(hits):
        remedy, lines = (
            "these are no categories: take them out in the mapping",
            [_line("never_answers", whole)],
        )
    else:
        remedy, lines = "cut the paths in the mapping", [_line("depth", depth)]
    what = "the title of their own product"
    return _finding(labels, "titles", hits, what, remedy, lines, bad=_few_each(labels, hits), share=share)


def _brands(labels: Labels) -> Finding | None:
    hits = _own(labels, labels.brands)
    depth = labels.best_depth
    remedy, lines = (
        ("cut the paths in the mapping", [_line("depth", depth)]) if depth else (_OTHER_COLUMN, [])
    )
    return _finding(labels, "brands", hits, "the brand of their own products", remedy, lines)


def _spelling(labels: Labels) -> Finding | None:
    groups = spelling_groups(labels.counts)
    hits = [name for group in groups for name in group[1:]]
    return _finding(
        labels,
        "spelling",
        hits,
        "spelt like another but for case, accents, punctuation, `and` or plural",
        "merge them in the file that PRODCLF_TAXONOMY names, under changes",
        [f"- {{{_line('merge', group)}, {_line('to', group[0])}}}" for group in groups],
        least=0.0,
        examples=[
            f"{_short(group[1])} ({labels.counts[group[1]]:,}) ~ {_short(group[0])} ({labels.counts[group[0]]:,})"
            for group in groups[:_EXAMPLES]
        ],
    )


def _no_answers(report: CleaningReport, config: SourceConfig) -> Finding | None:
    """Catch-alls that were taken away since the mapping does not say otherwise."""
    if config.never_answers is not None or not report.never_answers:
        return None
    met = sorted(report.never_answers.items(), key=lambda item: -item[1])
    share = sum(report.never_answers.values()) / max(report.rows_in, 1)
    return Finding(
        "no answers",
        f"{share:.1%} of the products are in catch-alls; these are no answers, and products of no other category are to be filed",
        len(met),
        min(share, 1.0),
        tuple(f"{name!r} ({count:,})" for name, count in met[:_EXAMPLES]),
        "to learn them like any other, say in the mapping which categories are no answers",
        (_line("never_answers", []),),
    )


def _learnt_catch_alls(labels: Labels, config: SourceConfig) -> Finding | None:
    hits = [name for name in labels.counts if ends_in_catch_all(name)]
    never = [*(config.never_answers or ()), *sorted(hits)]
    return _finding(
        labels,
        "catch-alls",
        hits,
        "catch-alls, and answers like any other",
        "to have their products filed elsewhere, say so in the mapping",
        [_line("never_answers", never)],
    )


def _thinned(report: CleaningReport) -> Finding | None:
    if not report.thinned:
        return None
    lost: Mapping[str, tuple[int, int]] = report.thinned
    rows = sum(before - after for before, after in lost.values())
    return Finding(
        "thinned",
        f"{len(lost):,} categories lost most of their rows in cleaning ({rows:,} rows)",
        len(lost),
        rows / max(report.rows_in, 1),
        tuple(
            f"{name!r} ({before:,} → {after:,})" for name, (before, after) in list(lost.items())[:_EXAMPLES]
        ),
        "see the counts of cleaning for why: rows without a title, or people's labels",
    )


def _own(labels: Labels, counted: Mapping[str, int]) -> list[str]:
    """Return the categories of which most rows were counted."""
    return [name for name, count in counted.items() if 2 * count >= labels.counts.get(name, count)]


def _short(category: str) -> str:
    """Return a name as reports have it; the end of a long one, where it differs from others."""
    return repr(category if len(category) <= _LONGEST_NAME else f"…{category[1 - _LONGEST_NAME :]}")


def _above(path: str, other: str) -> bool:
    return bool(path) and other.startswith(path + PATH_SEPARATOR)


def _line(setting: str, value: object) -> str:
    """Return a line of YAML; JSON is YAML, whatever a category is called."""
    return f"{setting}: {json.dumps(value, ensure_ascii=False)}"
