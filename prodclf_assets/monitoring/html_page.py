"""Reports as HTML pages that fetch nothing from anywhere, so that they can be mailed and kept."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """Return the page of a template in `templates/`; whatever it is told is escaped, and a name it is not told is an error."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> "Environment":
    # Imported where it is used: most that import a report never draw its page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("prodclf_assets.monitoring")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
