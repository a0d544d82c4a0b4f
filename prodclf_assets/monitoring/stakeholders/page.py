"""The stakeholders' report as one HTML page."""

from prodclf_assets.monitoring.html_page import render
from prodclf_assets.monitoring.stakeholders.figures import (
    RISKS,
    Stakeholders,
    basis,
    headline,
    margin,
    shares,
    work,
)

# As on the slides: filed rightly, filed wrongly, shown to a person.
_COLOURS = ("#2563eb", "#dc2626", "#94a3b8")


def stakeholder_page(facts: Stakeholders) -> str:
    """Return the page."""
    return render(
        "stakeholders.html",
        title=headline(facts),
        facts=facts,
        basis=basis(facts),
        work=work(facts),
        margin=margin(facts),
        shares=[(*share, colour) for share, colour in zip(shares(facts), _COLOURS, strict=True)],
        risks=RISKS,
    )
