"""The classifier in Python: train, load, ask, explain, measure, save."""

import logging
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from prodclf_assets.api.model_folder import ModelFolder, find_live, find_model, load_bundle
from prodclf_assets.api.products import ColumnMapping, Products, issue_texts, table_of, told
from prodclf_assets.errors import BundleError, LabelError, SourceError

if TYPE_CHECKING:
    import pandas as pd

    from prodclf_assets.catalog.cleaning.cleaning import CleanResult
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.classifier.evaluation.report import EvaluationReport
    from prodclf_assets.classifier.training.training import TrainingConfig

logger = logging.getLogger(__name__)

_EXPLAINED: Final = (
    "predicted_category",
    "confidence",
    "familiarity",
    "decision",
    "runner_up",
    "runner_up_probability",
    "influences",
    "explanation",
)


@dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """A trained model: products in, categories out.

    Products are given as a frame with a row for each, as files (path, folder, glob or `s3://…`), or as mere titles. Columns
    are understood by their usual names, or as a mapping says; texts and numbers are read as `prodclf score` reads them.

    Attributes:
        bundle: the model itself.
        version: the registered version, else the first 12 hex digits of the bundle's hash.

    Examples:
        >>> from prodclf_assets import Classifier
        >>> model = Classifier.train("shop.csv", folder="my_model")
        >>> model.predict(["Noise cancelling headphones"])["predicted_category"].item()
        'Electronics > Headphones'
    """

    bundle: "Bundle"
    version: str

    def __repr__(self) -> str:
        return f"<Classifier {self.version}: {len(self.categories)} categories>"

    @classmethod
    def train(
        cls,
        products: Products,
        mapping: ColumnMapping = None,
        *,
        folder: str | Path | None = None,
        config: "TrainingConfig | None" = None,
        threads: int | None = None,
    ) -> Self:
        """Train on all products that have a title and a category, as the graph makes its final model.

        A product that several rows list under different categories is learnt under all of them. How good the model is on
        products that it has not seen is estimated by cross-fitting, in `metrics`.

        Args:
            products: each with a category; products of two categories at least.
            mapping: which column is which field, and which hold the category path; a YAML file, or what it would hold.
            folder: where to save it, empty or absent; nowhere when None.
            config: the parameters; those of the graph when None.
            threads: how many may run at once; all cores of this process when None.

        Raises:
            SourceError: the source cannot be read, or no row has both a title and a category.
            MappingError: the mapping cannot be used, or no column is known to hold titles or categories.
            LabelError: a category path has a blank level, all products have one category, or most categories are prices,
                texts of lists or the products' titles.
            BundleError: the folder is not empty.

        Examples:
            >>> from prodclf_assets import Classifier, read_products
            >>> shop = read_products("shop.csv")
            >>> model = Classifier.train(shop, {"category_path": ["category"], "depth": 1})
            >>> model.categories[:3]
            ['Beauty', 'Electronics', 'Grocery']
        """
        from prodclf_assets.catalog.category_sets import category_counts
        from prodclf_assets.catalog.cleaning.cleaning import check_learnable

        target = None if folder is None else _empty(Path(folder))
        learnt = labelled_products(products, mapping, to_learn=True)
        check_learnable(category_counts(learnt), _named(products))
        return cls.fitted(learnt, folder=target, config=config, threads=threads)

    @classmethod
    def fitted(
        cls,
        learnt: "pd.DataFrame",
        *,
        folder: Path | None = None,
        config: "TrainingConfig | None" = None,
        threads: int | None = None,
    ) -> Self:
        """Train on clean products, as `labelled_products` gives them.

        Raises:
            LabelError: they have fewer than two categories.
        """
        from prodclf_assets.classifier.training.training import TrainingConfig, fit_features, fit_model

        config = config or TrainingConfig()
        bundle = fit_model(fit_features(learnt, learnt.iloc[:0], config, threads), config, threads=threads)
        # Written even where nobody keeps it: the model that answers is the one that its files hold.
        with nullcontext(folder) if folder else tempfile.TemporaryDirectory(prefix="prodclf-") as kept:
            bundle.save(Path(kept))
            return cls.load(Path(kept), threads=threads)

    @classmethod
    def load(cls, ref: str | int | Path | None = None, *, threads: int | None = None) -> Self:
        """Load a model from a folder, or fetch it from the registry.

        Args:
            ref: an alias such as `champion`, a version or a folder; what `PRODCLF_MODEL_ALIAS` says when None. A text is a
                folder when it has a slash, or when there is a model of that name.
            threads: how many one call may use; all cores of this process when None.

        Raises:
            BundleError: the folder holds no model, one that was altered, or one that this prodclf cannot read.
            RegistryError: there is no such version or alias, or the registry cannot be reached.

        Examples:
            >>> from prodclf_assets import Classifier
            >>> Classifier.load("./model")
            <Classifier ...: 48 categories>
        """
        return cls._of(find_model(ref), threads)

    @classmethod
    def live(cls) -> Self | None:
        """Load the registered model that `PRODCLF_MODEL_ALIAS` names; None when it names none yet.

        Raises:
            BundleError: this prodclf cannot read it.
            RegistryError: the registry cannot be reached, or the model is damaged.
        """
        found = find_live()
        return None if found is None else cls._of(found)

    @classmethod
    def _of(cls, found: ModelFolder, threads: int | None = None) -> Self:
        bundle = load_bundle(found, threads)
        return cls(bundle, found.version or bundle.version)

    @property
    def categories(self) -> list[str]:
        """Every category it can answer, sorted: paths joined with ` > `."""
        return self.bundle.labels

    @property
    def metrics(self) -> dict[str, float]:
        """What training measured, on answers to its own products by parts of the model that had not seen them.

        Examples:
            >>> from prodclf_assets import Classifier
            >>> Classifier.load("./model").metrics["out_of_fold_accuracy"] > 0.8
            True
        """
        return self.bundle.provenance.metrics

    def predict(self, products: Products, mapping: ColumnMapping = None, *, top_k: int = 5) -> "pd.DataFrame":
        """Answer products; every one has an answer, and the same as from `prodclf score` and over HTTP.

        Args:
            products: n products; only a title is required.
            mapping: which column is which field.
            top_k: alternatives listed for each.

        Returns:
            n rows in order, with the index of the frame that was given, and the columns that `prodclf score` adds:
            `predicted_category` (text, "" without a title), `confidence` (float64), `decision` (`auto`, `review` or
            `abstain`), `branch` (text), `alternatives` (JSON), `model_version` (text), `issues` (text, "" for none).

        Raises:
            SourceError: the source cannot be read.
            MappingError: the mapping cannot be used, or no column is known to hold titles.

        Examples:
            >>> import pandas as pd
            >>> from prodclf_assets import Classifier
            >>> model = Classifier.load("./model")
            >>> frame = pd.DataFrame({"title": ["Non stick frying pan", None]}, index=["a7", "b2"])
            >>> frame.join(model.predict(frame)[["predicted_category", "decision"]])
                               title        predicted_category decision
            a7  Non stick frying pan  Home & Kitchen > Cookware     auto
            b2                  None                             abstain
        """
        import pyarrow as pa

        from prodclf_assets.catalog.product import ProductBatch

        table = table_of(products, mapping, require_labels=False)
        said = self.bundle.predict(ProductBatch.from_frame(table.products), top_k)
        answers = pa.table(said.to_columns(self.categories)).to_pandas()
        answers = answers.assign(model_version=self.version, issues=issue_texts(table))
        return _indexed(answers, products)

    def explain(self, products: Products, mapping: ColumnMapping = None) -> "pd.DataFrame":
        """Say why products get their categories: each word and field is left out in turn.

        One product costs as much as predicting as many as it has distinct words and filled fields.

        Args:
            products: n products; only a title is required.
            mapping: which column is which field.

        Returns:
            n rows in order, with the index of the frame that was given: `predicted_category`, `confidence`,
            `familiarity` (share of the title's wording that training has seen), `decision`, `runner_up`,
            `runner_up_probability`, `influences` (a list of `Influence` for each, the strongest for the answer first), and
            `explanation` (the same in sentences, as from `prodclf score --explain`).

        Raises:
            SourceError: the source cannot be read.
            MappingError: the mapping cannot be used, or no column is known to hold titles.

        Examples:
            >>> from prodclf_assets import Classifier
            >>> why = Classifier.load("./model").explain(["Matte lipstick ruby"])
            >>> why["influences"][0][0].text
            'lipstick'
        """
        import pandas as pd

        from prodclf_assets.catalog.product import ProductBatch
        from prodclf_assets.classifier.explanation.leave_one_out import explain
        from prodclf_assets.classifier.explanation.reasons import reasons

        batch = ProductBatch.from_frame(table_of(products, mapping, require_labels=False).products)
        thresholds = self.bundle.manifest.thresholds
        rows = [
            {
                **vars(found),
                "predicted_category": found.category,
                "explanation": " ".join(reasons(found, thresholds)),
            }
            for found in explain(self.bundle, batch)
        ]
        return _indexed(pd.DataFrame(rows, columns=list(_EXPLAINED)), products)

    def evaluate(
        self, products: Products, mapping: ColumnMapping = None, *, baseline_from: Products | None = None
    ) -> "EvaluationReport":
        """Measure on labelled products that it has not learnt from.

        An answer is right when it is any category of the product.

        Args:
            products: each with a category; rows without one are left out.
            mapping: as in training.
            baseline_from: products that a linear SVM learns from, to be measured beside it, best those that the model has
                learnt from; none is when None.

        Raises:
            SourceError: the source cannot be read, or no row has both a title and a category.
            MappingError: the mapping cannot be used, or no column is known to hold titles or categories.
            LabelError: a category path has a blank level.

        Examples:
            >>> from prodclf_assets import Classifier, read_products
            >>> shop = read_products("shop.csv")
            >>> model = Classifier.train(shop[:1000])
            >>> report = model.evaluate(shop[1000:], baseline_from=shop[:1000])
            >>> report.accuracy > 0.7, report.baseline_accuracy > 0.7
            (True, True)
        """
        from prodclf_assets.classifier.evaluation.baseline import fit_baseline
        from prodclf_assets.classifier.evaluation.report import Answered, evaluate

        rows = labelled_products(products, mapping)
        baseline = None
        if baseline_from is not None:
            learnt = labelled_products(baseline_from, mapping)
            baseline = fit_baseline(learnt, learnt.iloc[:0])
        return evaluate(self.bundle, Answered.by(self.bundle, baseline, rows), "the products given")

    def save(self, folder: str | Path) -> Path:
        """Write the model into a folder that is empty or absent; `load` reads it, and so does `prodclf score --model`.

        Raises:
            BundleError: the folder is not empty.

        Examples:
            >>> from prodclf_assets import Classifier
            >>> model = Classifier.load("./model")
            >>> model.version == Classifier.load(model.save("copy")).version
            True
        """
        self.bundle.save(_empty(Path(folder)))
        return Path(folder)


def labelled_products(
    products: Products, mapping: ColumnMapping = None, *, to_learn: bool = False
) -> "pd.DataFrame":
    """Read products with categories and clean them, as the graph does.

    Args:
        products: each with a category; rows without one are left out.
        mapping: which column is which field, and which hold the category path.
        to_learn: warn of what looks wrong with the labels, too.

    Raises:
        SourceError: the source cannot be read, or no row has both a title and a category.
        MappingError: the mapping cannot be used, or no column is known to hold titles or categories.
        LabelError: a category path has a blank level, or the labels are not worth learning.
    """
    from prodclf_assets.catalog.label_checks.findings import findings_of

    table = told(table_of(products, mapping, require_labels=True))
    without = int(table.products["category"].isna().sum())
    if without:
        logger.warning("%s of %s rows have no category and are left out", without, len(table.products))
    clean = cleaned(table.products, table.config.never_answers)
    if not len(clean.products):
        raise SourceError(f"{_named(products)}: no row has both a title and a category that may be an answer")
    for finding in findings_of(clean, table.config) if to_learn else ():
        if finding.worthless:
            raise LabelError(f"{_named(products)}: {finding}")
        logger.warning(finding)
    return clean.products


def cleaned(products: "pd.DataFrame", never_answers: Sequence[str] | None = None) -> "CleanResult":
    """Return products in normal form, each with all categories of its rows, without those that cannot be learnt from.

    Args:
        products: a products frame with `category`.
        never_answers: paths of categories that are taken away, with all below them; catch-alls when None.
    """
    from prodclf_assets.catalog.category_sets import category_counts
    from prodclf_assets.catalog.cleaning.cleaning import clean_products, unmet_never_answers

    clean = clean_products(products, never_answers)
    for sentence in unmet_never_answers(clean.report.never_answers, category_counts(clean.products)):
        logger.warning(sentence)
    return clean


def _indexed(answers: "pd.DataFrame", products: Any) -> "pd.DataFrame":
    """Give answers the index of a frame or series that was asked about."""
    import pandas as pd

    return answers.set_index(products.index) if isinstance(products, pd.DataFrame | pd.Series) else answers


def _named(products: Products) -> str:
    """Return what errors call a source."""
    return str(products) if isinstance(products, str | Path) else "the frame"


def _empty(folder: Path) -> Path:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(f"{folder} is not an empty folder; name one that is empty or absent")
    return folder
