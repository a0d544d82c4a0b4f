"""The stakeholders' report as slides (PowerPoint), six of them."""

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_LABEL_POSITION, XL_LEGEND_POSITION
from pptx.enum.text import MSO_ANCHOR
from pptx.util import Emu, Inches, Pt

from prodclf_assets.monitoring.stakeholders.figures import (
    RISKS,
    Stakeholders,
    basis,
    headline,
    margin,
    shares,
    work,
)

INK, FAINT, ACCENT, LINE = (RGBColor.from_string(each) for each in ("1E293B", "64748B", "2563EB", "E2E8F0"))
# As on the page: filed rightly, filed wrongly, shown to a person.
_PARTS = (ACCENT, RGBColor.from_string("DC2626"), RGBColor.from_string("94A3B8"))
_WIDTH, _HEIGHT, _MARGIN = Inches(13.333), Inches(7.5), Inches(0.7)
_LONGEST = 130


def stakeholder_deck(facts: Stakeholders) -> bytes:
    """Return the file of the deck."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = _WIDTH, _HEIGHT
    # Equal facts give equal slides whenever they are made; the file still carries its own times.
    deck.core_properties.title = headline(facts)
    deck.core_properties.created = deck.core_properties.modified = datetime(2000, 1, 1, tzinfo=UTC)
    _numbers(_slide(deck, headline(facts)), facts)
    _coverage(_slide(deck, "The stricter the promise, the fewer products are filed without a person"), facts)
    _failures(_slide(deck, "Where it fails"), facts)
    _work(_slide(deck, "Work saved"), facts)
    changes = ((each.day, each.event, str(each.version), each.reason) for each in facts.changes)
    _table(
        _slide(deck, "Changes of the model in use"), ("day", "what", "version", "why"), changes, (3, 2, 2, 12)
    )
    risks = _slide(deck, "Risks, and what guards against them")
    _table(risks, ("risk", "guard"), RISKS, (1, 1))
    _say(
        risks,
        f"Last comparison with the products that were trained on: {facts.drift}.",
        top=Inches(6.2),
        size=16,
    )
    file = io.BytesIO()
    deck.save(file)
    return file.getvalue()


def _slide(deck: Any, title: str) -> Any:
    """A blank slide with a title of our own: the layouts of the default template are 4:3."""
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    _say(slide, title, top=Inches(0.5), size=30, bold=True)
    return slide


def _say(
    slide: Any, text: str, *, top: Emu, size: int, bold: bool = False, color: RGBColor = INK, left: Emu = _MARGIN,
    width: Emu | None = None,
) -> None:  # fmt: skip
    box = slide.shapes.add_textbox(left, top, width or _WIDTH - 2 * _MARGIN, Inches(0.9))
    box.text_frame.word_wrap = True
    run = box.text_frame.paragraphs[0].add_run()
    run.text = text
    run.font.size, run.font.bold, run.font.color.rgb = Pt(size), bold, color


def _numbers(slide: Any, facts: Stakeholders) -> None:
    shown = (
        (f"{facts.auto_share:.0%}", "filed without a person"),
        (f"{facts.auto_precision:.1%}", f"of those right ({facts.auto_rows:,} measured)"),
        (f"{facts.hours_per_1000:.1f} h", "saved in 1,000 products"),
        (f"{facts.accuracy:.1%}", f"right at first guess; a simple model {facts.baseline_accuracy:.1%}"),
    )
    width = (_WIDTH - 2 * _MARGIN) // len(shown)
    for number, (big, small) in enumerate(shown):
        left = _MARGIN + number * width
        inner = width - Inches(0.3)
        _say(slide, big, top=Inches(2.6), size=48, bold=True, color=ACCENT, left=left, width=inner)
        _say(slide, small, top=Inches(3.6), size=18, color=FAINT, left=left, width=inner)
    _say(slide, basis(facts), top=Inches(5.6), size=14, color=FAINT)


def _coverage(slide: Any, facts: Stakeholders) -> None:
    """Share of products by the precision that is promised, as a chart that can be edited."""
    data = CategoryChartData(number_format="0%")
    data.categories = [f"{precision:.0%} right" for precision, _ in facts.coverage]
    data.add_series("share of products", [share for _, share in facts.coverage])
    frame = slide.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, _MARGIN, Inches(1.7), _WIDTH - 2 * _MARGIN, Inches(4.5), data
    )
    chart = frame.chart
    chart.has_legend = chart.has_title = False
    chart.value_axis.visible = chart.value_axis.has_major_gridlines = False
    chart.value_axis.minimum_scale, chart.value_axis.maximum_scale = 0, 1.1
    chart.category_axis.tick_labels.font.size = Pt(16)
    plot = chart.plots[0]
    plot.gap_width, plot.has_data_labels = 60, True
    plot.data_labels.font.size, plot.data_labels.number_format = Pt(18), "0%"
    plot.data_labels.number_format_is_linked = False
    plot.data_labels.position = XL_LABEL_POSITION.OUTSIDE_END
    plot.series[0].format.fill.solid()
    plot.series[0].format.fill.fore_color.rgb = ACCENT
    _say(slide, margin(facts), top=Inches(6.4), size=16, color=FAINT)


def _work(slide: Any, facts: Stakeholders) -> None:
    """What becomes of 1,000 products, as one bar, and the hours that follow."""
    _say(slide, work(facts), top=Inches(1.5), size=24)
    data = CategoryChartData(number_format="#,##0")
    data.categories = ["of 1,000 products"]
    for name, count in shares(facts):
        data.add_series(f"{name}: {count:,}", [count])
    chart = slide.shapes.add_chart(
        XL_CHART_TYPE.BAR_STACKED, _MARGIN, Inches(3.2), _WIDTH - 2 * _MARGIN, Inches(3.2), data
    ).chart
    chart.has_title, chart.has_legend = False, True
    chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.BOTTOM, False
    chart.legend.font.size = Pt(16)
    chart.value_axis.visible = chart.value_axis.has_major_gridlines = chart.category_axis.visible = False
    chart.value_axis.minimum_scale, chart.value_axis.maximum_scale = 0, 1000
    plot = chart.plots[0]
    plot.gap_width, plot.overlap = 40, 100
    for series, colour in zip(plot.series, _PARTS, strict=True):
        series.format.fill.solid()
        series.format.fill.fore_color.rgb = colour


def _failures(slide: Any, facts: Stakeholders) -> None:
    if not facts.confusions:
        _say(slide, "No mistake was made on the measured products.", top=Inches(1.9), size=24)
        return
    rows = ((true, answered, str(count)) for true, answered, count in facts.confusions)
    _table(slide, ("belongs in", "was put in", "products"), rows, (4, 4, 1))


def _table(slide: Any, names: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> None:
    """A plain table: no bands, a light head."""
    lines = [names, *rows]
    height = Inches(0.55)
    shape = slide.shapes.add_table(
        len(lines), len(names), _MARGIN, Inches(1.7), _WIDTH - 2 * _MARGIN, height * len(lines)
    )
    table = shape.table
    table.horz_banding = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = (_WIDTH - 2 * _MARGIN) * width // sum(widths)
    for row, line in enumerate(lines):
        for column, text in enumerate(line):
            cell = table.cell(row, column)
            cell.text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
            cell.vertical_anchor = MSO_ANCHOR.MIDDLE
            cell.fill.solid()
            cell.fill.fore_color.rgb = LINE if row == 0 else RGBColor(255, 255, 255)
            font = cell.text_frame.paragraphs[0].font
            font.size, font.bold, font.color.rgb = Pt(16), row == 0, INK
