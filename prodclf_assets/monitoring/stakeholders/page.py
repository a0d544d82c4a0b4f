"""The stakeholders' report as one HTML page that fetches nothing from anywhere."""

from collections.abc import Iterable, Sequence
from html import escape

from prodclf_assets.monitoring.stakeholders.figures import (
    RISKS,
    Stakeholders,
    basis,
    headline,
    margin,
    shares,
    work,
)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1e293b; background: #fff; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
.numbers { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.numbers li { flex: 1 1 10rem; border-top: 3px solid #2563eb; padding: .5rem 0; }
.numbers b { display: block; font-size: 2rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin-bottom: 1.2rem; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #e2e8f0; vertical-align: top; }
th { color: #475569; font-weight: 600; white-space: nowrap; } td.n { white-space: nowrap; width: 1%; }
.bar.whole { display: flex; height: 1.6rem; overflow: hidden; } .legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; padding: 0; list-style: none; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .4rem; }
.bar { background: #e2e8f0; height: .8rem; border-radius: 2px; min-width: 8rem; margin-top: .35rem; } .bar i { display: block; height: 100%; background: #2563eb; border-radius: 2px; }
small, .small { color: #64748b; font-size: .9rem; } .drift { color: #9a3412; }
"""
# As on the slides: filed rightly, filed wrongly, shown to a person.
_PARTS = ("#2563eb", "#dc2626", "#94a3b8")
_SHORT = 12


def stakeholder_page(facts: Stakeholders) -> str:
    """Return the page."""
    coverage = (
        (
            f"{precision:.0%}",
            f'<div class="bar"><i style="width:{100 * share:.0f}%"></i></div>',
            f"{share:.0%}",
        )
        for precision, share in facts.coverage
    )
    parts = [
        f"<h1>{escape(headline(facts))}</h1>",
        f'<p class="small">{escape(basis(facts))}</p>',
        _numbers(facts),
        f"<h2>Work saved</h2><p>{escape(work(facts))}</p>",
        _shares(facts),
        "<h2>How strict, how much</h2>",
        f"<p>The stricter the promise, the fewer products are filed without a person. {escape(margin(facts))}</p>",
        _table(("right at least", "", "share of products"), coverage, raw=True),
        "<h2>Where it fails</h2>",
        *_failures(facts),
        "<h2>Changes of the model in use</h2>",
        _table(
            ("day", "what", "version", "why"),
            ((each.day, each.event, str(each.version), each.reason) for each in facts.changes),
        ),
        "<h2>Risks, and what guards against them</h2>",
        _table(("risk", "guard"), RISKS),
        f'<p class="{"drift" if facts.drifted else ""}">Last comparison with the products that were trained on: '
        f"{escape(facts.drift)}.</p>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(headline(facts))}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _numbers(facts: Stakeholders) -> str:
    shown = (
        (f"{facts.auto_share:.0%}", "filed without a person"),
        (f"{facts.auto_precision:.1%}", f"of those right ({facts.auto_rows:,} measured)"),
        (f"{facts.hours_per_1000:.1f} h", "saved in 1,000 products"),
        (f"{facts.accuracy:.1%}", f"right at first guess; a simple model {facts.baseline_accuracy:.1%}"),
    )
    return (
        '<ul class="numbers">'
        + "".join(f"<li><b>{big}</b>{escape(small)}</li>" for big, small in shown)
        + "</ul>"
    )


def _shares(facts: Stakeholders) -> str:
    """Of 1,000 products, as one bar of three parts and its legend."""
    parts = list(zip(shares(facts), _PARTS, strict=True))
    bar = "".join(
        f'<i style="width:{count / 10:.1f}%;background:{colour}"></i>' for (_, count), colour in parts
    )
    legend = "".join(
        f'<li><i style="background:{colour}"></i>{count:,} {escape(name)}</li>'
        for (name, count), colour in parts
    )
    return f'<div class="bar whole">{bar}</div><ul class="legend">{legend}</ul>'


def _failures(facts: Stakeholders) -> list[str]:
    if not facts.confusions:
        return ["<p>No mistake was made on the measured products.</p>"]
    return [
        _table(
            ("belongs in", "was put in", "products"),
            ((true, answered, str(rows)) for true, answered, rows in facts.confusions),
        ),
        *(
            [
                _table(
                    ("weakest categories", "found", "products measured"),
                    ((name, f"{recall:.0%}", str(rows)) for name, rows, recall in facts.weakest),
                )
            ]
            if facts.weakest
            else []
        ),
    ]


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], *, raw: bool = False) -> str:
    """A table; cells are escaped unless they are `raw` HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(map(_cell if raw else _escaped, row)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _escaped(text: str) -> str:
    return _cell(escape(text))


def _cell(content: str) -> str:
    """A cell; what is as short as a date or a number stays on one line and takes no more room than it needs."""
    return f'<td class="n">{content}</td>' if len(content) <= _SHORT else f"<td>{content}</td>"
