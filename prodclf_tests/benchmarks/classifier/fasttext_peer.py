"""fastText, supervised and tuned, in an environment of its own: its package pins an old NumPy and is not among ours."""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.special import logit

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.evaluation.baseline import texts
from prodclf_tests.benchmarks.measures import Answers
from prodclf_tests.benchmarks.tasks import Rows

REQUIREMENTS: Final = "fasttext-wheel==0.9.2\nnumpy==1.26.4\n"
SCRIPT: Final = Path(__file__).with_name("fasttext_script.py")
_LABEL: Final = "__label__"


def run(
    rows: Rows, parameters: dict[str, Any] | None, threads: int, timed: ProductBatch | None
) -> tuple[dict[str, Any], dict[str, Answers]]:
    """Tune unless parameters are given, fit and answer.

    Args:
        rows: the products.
        parameters: of the model; tuned on validation rows when None.
        threads: of training; with more than one, fastText's weights differ slightly from run to run.
        timed: products to measure the speed on, if any.

    Returns:
        what was measured, as `contenders.ContenderResult` has it, and the answers per side.
    """
    classes = sorted(set(rows.train[LABEL_COLUMN]))
    codes = {name: f"{_LABEL}{code}" for code, name in enumerate(classes)}
    with tempfile.TemporaryDirectory(prefix="prodclf-fasttext-") as scratch:
        train = Path(scratch) / "train.txt"
        products = lines(ProductBatch.from_frame(rows.train))
        labelled = zip(rows.train[LABEL_COLUMN], products, strict=True)
        train.write_text("".join(f"{codes[name]} {line}\n" for name, line in labelled), "utf-8")
        job = {
            "train": str(train),
            "asked": {side: lines(ProductBatch.from_frame(getattr(rows, side))) for side in ("validation", "test")},
            "truth": [codes.get(name, "") for name in rows.validation[LABEL_COLUMN]],
            "threads": threads,
            "parameters": parameters,
            "timed": lines(timed) if timed is not None else None,
        }  # fmt: skip
        command = [str(environment()), str(SCRIPT)]
        done = subprocess.run(command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True)
    measured = json.loads(done.stdout)
    names = np.array([*classes, ""], object)
    answers = {
        side: Answers(
            names[[int(label.removeprefix(_LABEL)) if label else -1 for label in labels]],
            logit(np.clip(np.array(probabilities), 1e-6, 1 - 1e-6)),
        )
        for side, (labels, probabilities) in measured.pop("answers").items()
    }
    return measured, answers


def lines(products: ProductBatch) -> list[str]:
    """One line a product: lower case, words and marks parted by spaces, as fastText's authors prepare texts."""
    return [" ".join(re.findall(r"\w+|[^\w\s]", text.lower())) for text in texts(products)]


def environment() -> Path:
    """The Python of an environment that holds the requirements, made on first use in the folder for temporary files."""
    digest = hashlib.sha256((REQUIREMENTS + sys.version).encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"prodclf-benchmark-fasttext-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        uv = ["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
        subprocess.run(uv, check=True)
        wanted = folder / "requirements.txt"
        wanted.write_text(REQUIREMENTS, "utf-8")
        install = ["uv", "pip", "install", "--quiet", "--python", str(python), "-r", str(wanted)]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return python
