"""The drift report as one HTML page: nothing is fetched from anywhere, so it can be mailed and kept."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from prodclf_assets.monitoring.drift.causes import CAUSES

ADVICE: Final[dict[str, str]] = {
    "none": "Nothing to do.",
    "ignore": "Nothing to do: as far as can be told, the answers are as good as they were.",
    "label": "Put products like these in front of a person: prodclf review export queue.csv. "
    "Whether the answers got worse is not known before that.",
    "retrain": "Train again: people disagree with the answers more often than their confidence allows.",
}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1e293b; background: #fff; max-width: 68rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #e2e8f0; vertical-align: top; }
thead th { white-space: nowrap; } th { font-weight: 600; color: #475569; } th small { font-weight: 400; } td.n { text-align: right; white-space: nowrap; }
.drift, .drift th { color: #9a3412; } td.drift { font-weight: 600; } .calm { color: #166534; } .dumb { color: #64748b; }
.bar { position: relative; width: 8rem; height: .7rem; background: #e2e8f0; border-radius: 2px; margin-top: .4rem; }
.bar i { position: absolute; inset: 0 auto 0 0; background: #2563eb; border-radius: 2px; }
.drift .bar i { background: #ea580c; } .bar b { position: absolute; left: 50%; top: -.15rem; bottom: -.15rem; width: 2px;
  background: #1e293b; }
small { color: #64748b; }
"""


def drift_page(report: Mapping[str, Any]) -> str:
    """Return the page of what `watch.drift_report` gave."""
    measures = report["measures"]
    parts = [f"<h1>{_escaped(_headline(report))}</h1>", f"<p>{_escaped(report['sentence'])}.</p>"]
    if report["drifted"]:
        parts.append(f"<p><strong>Advice:</strong> {_escaped(ADVICE[report['advice']])}</p>")
    parts.append(f"<p><small>{_escaped(_stretch(report))}</small></p>")
    if measures:
        parts.append(_table(["cause", "", "effect", "what was found", "advice"], map(_overview, measures)))
        parts.append(
            "<p><small>The bar is the size of the difference beyond chance, the mark in its middle what counts. A "
            "cause has drifted when it reaches the mark, in enough products, and chance alone would hardly "
            "do so.</small></p>"
        )
    parts += [
        _section(cause, report["examples"].get(cause["name"], [])) for cause in measures if cause["drifted"]
    ]
    parts += [_all_signals(measures)] if measures else []
    title = _escaped(_headline(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _headline(report: Mapping[str, Any]) -> str:
    if report["drifted"]:
        return f"Drift: {', '.join(report['causes'])}"
    if any(cause["measured"] for cause in report["measures"]):
        return "No drift"
    return "Nothing to compare yet"


def _stretch(report: Mapping[str, Any]) -> str:
    model = f"model version {report['model_version']}" if report["model_version"] else "no model"
    return (
        f"{report['since']} to {report['until']}; {model}; {report['answers']:,} answers, {report['rows']:,} different "
        f"products compared, {report['labels']:,} labels from people"
    )


def _overview(cause: Mapping[str, Any]) -> str:
    state, word = _state(cause)
    return (
        f'<tr class="{"drift" if cause["drifted"] else ""}"><th scope="row">{_escaped(cause["name"])}<br>'
        f'<small>{_escaped(CAUSES[cause["name"]])}</small></th><td class="{state}">{word}</td>'
        f"<td>{_bar(cause)}</td><td>{_escaped(cause['sentence'])}</td>"
        f"<td>{_escaped(cause['advice'] if cause['drifted'] else '')}</td></tr>"
    )


def _state(cause: Mapping[str, Any]) -> tuple[str, str]:
    if cause["drifted"]:
        return "drift", "drift"
    if not cause["measured"]:
        return "dumb", "not known"
    return "calm", "within chance" if cause["effect"] >= cause["threshold"] else "as in training"


def _bar(cause: Mapping[str, Any]) -> str:
    if not cause["measured"]:
        return ""
    width = min(100.0, 50 * cause["effect"] / cause["threshold"])
    return f'<div class="bar"><i style="width:{width:.0f}%"></i><b></b></div>'


def _section(cause: Mapping[str, Any], examples: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"<h2>{_escaped(cause['name'].capitalize())}</h2>", f"<p>{_escaped(cause['sentence'])}.</p>"]
    lines.append(f"<p><strong>Advice:</strong> {_escaped(ADVICE[cause['advice']])}</p>")
    if examples:
        names = list(examples[0])
        rows = (
            "<tr>" + "".join(f"<td>{_escaped(_shown(row[name]))}</td>" for name in names) + "</tr>"
            for row in examples
        )
        lines.append(_table([name.replace("_", " ") for name in names], rows))
    return "\n".join(lines)


def _all_signals(measures: Sequence[Mapping[str, Any]]) -> str:
    rows = (
        f"<tr><td>{_escaped(cause['name'])}</td><td>{_escaped(signal['name'])}</td>"
        f"<td>{_escaped(signal['measure'])}</td>"
        f'<td class="n">{signal["effect"]:.3f}</td><td class="n">{signal["threshold"]:g}</td>'
        f'<td class="n">{signal["p_value"]:.2g}</td><td class="n">{signal["rows"]:,}</td>'
        f"<td>{_escaped(signal['sentence'])}</td></tr>"
        for cause in measures
        for signal in cause["signals"]
    )
    names = [
        "cause",
        "comparison",
        "measure",
        "effect",
        "counts from",
        "p-value",
        "products",
        "what was found",
    ]
    return "<h2>Every comparison</h2>\n" + _table(names, rows)


def _table(names: Sequence[str], rows: Any) -> str:
    head = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in names)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table></div>"
    )


def _shown(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _escaped(text: object) -> str:
    return escape(str(text))
