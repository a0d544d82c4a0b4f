"""The model as MLflow sees it: this file is logged as code, and reads everything else from the bundle."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class ProductClassifier(PythonModel):
    """Files products: a products frame in, category, confidence, decision and alternatives out."""

    def load_context(self, context: Any) -> None:
        """Load the bundle, which checks its own hashes."""
        # Imported here because MLflow runs this file when it logs a model, where the classifier is not needed.
        from prodclf_assets.classifier.bundle import Bundle

        self._bundle = Bundle.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return one row per product, in order."""
        from prodclf_assets.catalog.product import ProductBatch

        predictions = self._bundle.predict(ProductBatch.from_frame(model_input))
        columns = predictions.to_columns(self._bundle.labels)
        return pd.DataFrame({name: column.to_pylist() for name, column in columns.items()})


set_model(ProductClassifier())
