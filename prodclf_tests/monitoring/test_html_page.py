"""Templates escape what they are told, and miss nothing in silence."""

import pytest
from jinja2 import DictLoader, UndefinedError

from prodclf_assets.monitoring import html_page


@pytest.fixture
def _templates(monkeypatch: pytest.MonkeyPatch) -> None:
    made = html_page._environment().overlay(loader=DictLoader({"page": "<p>{{ name }}</p>"}))
    monkeypatch.setattr(html_page, "_environment", lambda: made)


@pytest.mark.usefixtures("_templates")
def test_what_a_template_is_told_is_text() -> None:
    assert html_page.render("page", name="<b> & 'c'") == "<p>&lt;b&gt; &amp; &#39;c&#39;</p>"


@pytest.mark.usefixtures("_templates")
def test_what_a_template_is_not_told_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="name"):
        html_page.render("page")
