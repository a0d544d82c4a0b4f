"""One product, one answer: files, `/predict`, `/predict/batch` and a fresh process agree to the ninth digit."""

import asyncio
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from prodclf_assets.catalog.columns import PRODUCT_COLUMNS
from prodclf_assets.catalog.product_stream import open_source
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.scoring.score_table import score_chunk
from prodclf_tests.serving.live import LiveService, wait_for

ROWS = 200
TOLERANCE = 1e-9

# What usually tells two code paths apart: absent and blank values, brands nobody has seen, scripts, marks and numbers
# written as shops write them.
_AWKWARD = [
    {
        "title": "Stainless steel water bottle, 1 litre",
        "price": "₹32,999",
        "brand": "Never Seen Before & Sons",
    },
    {"title": "Café crème — décaféiné 250 g", "price": "1.299,00 €", "list_price": "1 499,00 €"},
    {"title": "सूती तौलिया 70x140", "brand": "गृह", "price": "२५५"},
    {"title": "شاي أسود 500 غرام", "rating": "4.5 out of 5 stars"},
    {"title": "日本茶 緑茶 ティーバッグ 🍵", "reviews_count": "2,255 ratings"},
    {"title": "  T-Shirt &amp; Shorts   SET  ", "price": "abc", "rating": "nan"},
    {"title": "x", "description": "y" * 3000, "seller_id": "12345"},
    {"title": "Ｆｕｌｌ-ｗｉｄｔｈ ｌｅｔｔｅｒｓ", "subcategory": "N/A"},
    {"title": "e\u0301clair cafe\u0301", "price": "-5", "list_price": "1e400"},
    {"title": "zero\u200bwidth\u00a0space", "reviews_count": "1.2k"},
]


@pytest.fixture(scope="module")
def products() -> list[dict[str, str]]:
    """200 products as texts, as a CSV file has them; every absent value is an absent key."""
    frame = pd.concat(sample_catalogue(ROWS, categories=4, seed=11)).head(ROWS - len(_AWKWARD))
    texts = frame[list(PRODUCT_COLUMNS)].astype(object).where(frame[list(PRODUCT_COLUMNS)].notna(), None)
    records = [
        {name: str(value) for name, value in record.items() if value is not None}
        for record in texts.to_dict("records")
    ]
    found = records + _AWKWARD
    assert len(found) == ROWS
    return [record | {"product_id": f"p{number}"} for number, record in enumerate(found)]


@pytest.fixture(scope="module")
def scored(products, tmp_path_factory, trained_bundle_folder) -> pd.DataFrame:
    """What `prodclf score` writes for the products as a CSV file."""
    path = tmp_path_factory.mktemp("parity") / "products.csv"
    path.write_bytes(_as_csv(products))
    bundle = Bundle.load(trained_bundle_folder)
    with open_source(str(path)) as chunks:
        answered = [score_chunk(chunk, bundle, "1").rows for chunk in chunks]
    return pa.concat_tables(answered).to_pandas()


def _as_csv(products: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(PRODUCT_COLUMNS), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(products)
    return text.getvalue().encode()


def _assert_same(scored: pd.DataFrame, answers: list[dict]) -> None:
    assert [answer["product_id"] for answer in answers] == scored["product_id"].tolist()
    assert [answer["category"] for answer in answers] == scored["predicted_category"].tolist()
    assert [answer["decision"] for answer in answers] == scored["decision"].tolist()
    assert [answer["branch"] for answer in answers] == scored["branch"].tolist()
    confidence = np.array([answer["confidence"] for answer in answers])
    np.testing.assert_allclose(confidence, scored["confidence"].to_numpy(float), rtol=0, atol=TOLERANCE)
    for answer, alternatives in zip(answers, scored["alternatives"], strict=True):
        expected = json.loads(alternatives)
        assert [entry["category"] for entry in answer["probabilities"]] == [
            entry["category"] for entry in expected
        ]
        np.testing.assert_allclose(
            [entry["probability"] for entry in answer["probabilities"]],
            [entry["probability"] for entry in expected],
            rtol=0,
            atol=TOLERANCE,
        )


def test_predict_answers_what_score_writes(live_service: LiveService, products, scored):
    wait_for(live_service)

    async def all_answers() -> list[dict]:
        limit = asyncio.Semaphore(8)
        async with httpx.AsyncClient(base_url=live_service.url, timeout=60) as client:

            async def one(product: dict) -> dict:
                async with limit:
                    return (await client.post("/predict", json=product)).json()

            return await asyncio.gather(*(one(product) for product in products))

    _assert_same(scored, asyncio.run(all_answers()))


@pytest.mark.parametrize("media_type", ["application/json", "text/csv", "application/x-ndjson"])
def test_a_batch_answers_what_score_writes_in_every_format(
    live_service: LiveService, products, scored, media_type
):
    wait_for(live_service)
    body = {
        "application/json": lambda: json.dumps(products).encode(),
        "text/csv": lambda: _as_csv(products),
        "application/x-ndjson": lambda: "\n".join(map(json.dumps, products)).encode(),
    }[media_type]()
    headers = {"content-type": media_type, "accept": "application/json"}
    answer = httpx.post(f"{live_service.url}/predict/batch", content=body, headers=headers, timeout=60).json()
    _assert_same(scored, answer["predictions"])


def test_a_csv_answer_is_the_file_that_score_writes(live_service: LiveService, products, scored):
    wait_for(live_service)
    headers = {"content-type": "text/csv"}
    answer = httpx.post(
        f"{live_service.url}/predict/batch", content=_as_csv(products), headers=headers, timeout=60
    )
    found = pd.read_csv(io.BytesIO(answer.content), dtype=str, keep_default_na=False)
    assert list(found.columns) == list(scored.columns)
    for name in set(scored.columns) - {"confidence", "alternatives", "model_version", "issues"}:
        assert found[name].tolist() == scored[name].fillna("").astype(str).tolist(), name
    np.testing.assert_allclose(
        found["confidence"].astype(float), scored["confidence"], rtol=0, atol=TOLERANCE
    )
    assert (found["issues"] != "").tolist() == (scored["issues"] != "").tolist()


_FRESH = """
import json, sys
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from pathlib import Path
bundle = Bundle.load(Path(sys.argv[1]), threads=1)
batch, _ = ProductBatch.from_records(json.load(sys.stdin))
answers = bundle.predict(batch)
json.dump({"category": answers.category, "confidence": answers.confidence.tolist()}, sys.stdout)
"""


def test_a_fresh_process_says_the_same(products, scored, trained_bundle_folder: Path):
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, str(trained_bundle_folder)],
        input=json.dumps(products),
        capture_output=True,
        text=True,
        timeout=240,
        env={"PYTHONHASHSEED": "12345", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["category"] == scored["predicted_category"].tolist()
    np.testing.assert_allclose(answers["confidence"], scored["confidence"], rtol=0, atol=TOLERANCE)
