"""What the docstrings and the page about Python say is what happens."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from prodclf_tests.documents import ROOT, TEXTS, blocks

PAGE = ROOT / "prodclf_assets" / "PYTHON.md"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FINDER = doctest.DocTestFinder(exclude_empty=True)
DOCUMENTED = [
    test
    for name in ("classifier", "estimator", "products")
    for test in FINDER.find(import_module(f"prodclf_assets.api.{name}"))
    if test.examples
]


@pytest.mark.parametrize("test", DOCUMENTED, ids=[test.name.partition("api.")[2] for test in DOCUMENTED])
def test_examples_of_the_docstrings(test: doctest.DocTest, desk: Path) -> None:
    run(test)


def test_every_part_of_the_face_has_an_example() -> None:
    named = {test.name.partition("api.")[2] for test in DOCUMENTED}
    methods = {
        f"classifier.Classifier.{name}"
        for name in ("train", "load", "predict", "explain", "evaluate", "save")
    }
    assert named >= methods | {"estimator.ProductClassifier", "products.read_products"}


def test_the_page_says_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = TEXTS[PAGE]
    assert "```python" not in text
    shown = "\n".join(blocks(text, "pycon"))
    run(doctest.DocTestParser().get_doctest(shown, {}, PAGE.name, str(PAGE), 0))


def test_the_lines_of_the_readme_answer(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [lines] = blocks(TEXTS[ROOT / "README.md"], "python")
    exec(lines, {})
    assert "predicted_category" in capsys.readouterr().out


def run(test: doctest.DocTest) -> None:
    said: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not said, "".join(said)
