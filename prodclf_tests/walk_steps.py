"""What the walk through the documents does: each command as it stands there, what it must say, and what is not carried out and why."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A command as it stands in a document.

    Attributes:
        command: what a person types.
        says: regular expression that its output holds; for what serves, the page.
        before: what a person would have done before it, such as having a file.
        page: address that must answer; the command is then left running, unless `ends`.
        ends: whether the command ends by itself.
    """

    command: str
    says: str = ""
    before: str = ""
    page: str = ""
    ends: bool = True


# A shop's own file, with the columns that the mapping of the README names.
_SHOP = """uv run python - <<'END'
import pandas as pd
from prodclf_assets.catalog.sample.generator import sample_catalogue
shop = pd.concat(sample_catalogue(3000, 8, seed=7), ignore_index=True)
path = shop.pop("category").str.split(" > ", expand=True)
shop["category"], shop["sub_category"], shop["type"] = path[0], path[1], path[1]
names = {"title": "product", "price": "sale_price", "list_price": "market_price"}
shop.rename(columns=names).to_csv("shop.csv.gz", index=False)
END"""
_FILLED = """uv run python - <<'END'
import pandas as pd
queue = pd.read_csv("queue.csv", dtype=str)
queue["category"] = queue["predicted_category"]
queue.to_csv("queue.csv", index=False)
END"""
_DECIDED = """uv run python - <<'END'
import pandas as pd
suspects = pd.read_csv("suspects.csv", dtype=str)
suspects["category"] = ["ok" if row % 2 else "keep" for row in range(len(suspects))]
suspects.to_csv("suspects.csv", index=False)
END"""
_JUDGED = """uv run python - <<'END'
import pandas as pd
audit = pd.read_csv("audit.csv", dtype=str)
audit["category"] = "Home & Kitchen > Cookware"
audit.to_csv("audit.csv", index=False)
END"""
README = (
    Step(
        'uv run dagster asset materialize -m prodclf_assets.definitions --select "*"',
        r"promoted \(version 1\)",
    ),
    Step("uv run dagster dev", "Dagster", page="http://127.0.0.1:3000/", ends=False),
    Step(
        "uv run mlflow ui --backend-store-uri sqlite:///.prodclf/mlflow.db",
        "MLflow",
        page="http://127.0.0.1:5000/",
        ends=False,
    ),
    Step("uv run prodclf models show champion", "accuracy"),
    Step("uv run prodclf models list", "champion"),
    Step("uv run prodclf serve", "<title>", page="http://127.0.0.1:8000/", ends=False),
    Step(
        """curl localhost:8000/predict -H 'Content-Type: application/json' -d '{"title": "Basmati rice 5 kg", "price": "₹499"}'""",
        '"category":"Grocery',
        page="http://127.0.0.1:8000/docs",
    ),
    Step(
        "curl localhost:8000/predict/batch -H 'Content-Type: text/csv' --data-binary @products.csv > filed.csv",
        before="uv run prodclf sample products.csv --rows 200",
    ),
    Step("uv run prodclf score new.csv filed.csv", "filed.csv", before="cp products.csv new.csv"),
    Step(
        "uv run prodclf train --source shop.csv.gz --source-config mapping.yaml",
        r"model\s+accuracy",
        before=_SHOP,
    ),
    Step(
        "uv run prodclf train --source shop.csv.gz --source-config mapping.yaml --search 20",
        r"tuned_parameters: search: 20 of 20 trials",
    ),
    Step("uv run prodclf sample shop.csv --rows 2000", "2,000 products"),
    Step("uv run prodclf sample shop.parquet --rows 50000 --seed 1", "shop.parquet"),
    Step(
        "uv run prodclf train --resume",
        r"model\s+accuracy",
        before="! PRODCLF_TAXONOMY=missing.yaml uv run prodclf train",
    ),
    Step(
        'uv run prodclf models promote 2 --reason "better on shoes"',
        "2",
        page="http://127.0.0.1:8000/model",
    ),
    Step("uv run prodclf drift", "answered"),
    Step("uv run prodclf review export queue.csv", "queue.csv"),
    Step("uv run prodclf review import queue.csv", "label", before=_FILLED),
    Step("uv run prodclf review suspects suspects.csv", "listings that may be filed wrongly"),
    Step('uv run prodclf models rollback --reason "files garden tools under toys"', "version"),
    Step("uv run prodclf review status", "label"),
)
OTHERS = (
    Step(
        "uv run prodclf inspect shop.csv.gz --source-config mapping.yaml --html shop.html",
        "a training takes about",
    ),
    Step("uv run prodclf review export queue.csv --rows 200", "queue.csv", before="rm queue.csv"),
    Step("uv run prodclf review import queue.csv --reviewer asha", "label", before=_FILLED),
    Step("uv run prodclf review import suspects.csv --reviewer asha", "label", before=_DECIDED),
    Step("uv run prodclf review export audit.csv --queue audit", "filed products wait to be judged"),
    Step("uv run prodclf review import audit.csv --reviewer asha", "label", before=_JUDGED),
    Step("uv run prodclf audit status", "wait"),
    Step("uv run dg check defs", "All definitions loaded successfully"),
    Step("uv run dg list defs", "promotion_decision"),
    Step('uv run dg launch --assets "raw_products,clean_products"', "2 assets materialised"),
    Step("uv run python -m infra.lock", "the locks agree"),
    Step("uv run python -m infra.settings_page --write"),
    Step("uv run python -m infra.lint", "promtool +passed"),
    Step("promtool check config infra/monitoring/prometheus.yml", "SUCCESS"),
    Step("promtool test rules infra/monitoring/alerts_test.yml", "SUCCESS"),
    Step("uv run pytest prodclf_tests/catalog", "passed"),
    Step("uv run pre-commit install", "pre-commit installed"),
)
# What is not run here, and why.
ELSEWHERE: Mapping[str, str] = {
    r"uv run pytest( -m slow.*)?$|\.ci/run": "the tests themselves",
    r"uv sync": "every `uv run` does it",
    r"uv run python -m prodclf_tests\.film": "prodclf_tests/film/test_film.py",
    r"tar ": "prodclf_tests/infra/test_backup.py",
    r"docker ": "a container engine: prodclf_tests/infra/test_images.py replays the images",
    r"cp infra/compose/.env.example": "for docker compose",
    r"uv run prodclf report --open": "opens a browser; the pages are written by prodclf_tests/monitoring/test_report_pages.py",
    r"uv run python -m infra\.stack ": "prodclf_tests/infra/test_stack.py",
    r"(uv run )?python -m infra\.aws|aws ": "an AWS account: prodclf_tests/infra/verbs.py tries each verb",
    r"uv run python -m prodclf_tests\.(benchmarks|infra|walk)": "measures for minutes to hours; the tests run parts of them",
    r"(uv run python|pip) .*(--write|-r infra/requirements\.lock)": "resolves or installs the locks anew",
    r"export |ray start|serve ": "a Ray cluster: prodclf_tests/serving/ray_serve/test_deployment.py deploys the same file",
}
