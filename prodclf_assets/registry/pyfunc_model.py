"""The model as MLflow sees it: this file is logged as code, and reads everything else from the bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class ProductClassifier(PythonModel):
    """Files products: a products frame in, category, confidence, decision and alternatives out."""

    def load_context(self, context: Any) -> None:
        """Load the bundle, which checks its own hashes."""
        # Imported here because MLflow runs this file when it logs a model, where the classifier is not needed.
        from prodclf_assets.api.classifier import Classifier

        self._model = Classifier.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return one row per product, in order: the columns that `prodclf score` adds.

        Args:
            context: MLflow's.
            model_input: whatever MLflow was given, and not as its type says, which MLflow wants: a frame with a row for each product, whatever its types; records; a dict of columns or of one
                product; titles.
            params: `top_k`, alternatives listed for each.
        """
        from prodclf_assets.registry.publishing import OUTPUTS, TOP_K

        top_k = int((params or {}).get("top_k", TOP_K))
        return self._model.predict(_frame_of(model_input), top_k=top_k)[list(OUTPUTS)]


def _frame_of(products: Any) -> Any:
    """What of products is neither a frame nor titles, as a frame."""
    if isinstance(products, str):
        return [products]
    if isinstance(products, dict):
        return pd.DataFrame(
            products
            if any(isinstance(value, list | np.ndarray) for value in products.values())
            else [products]
        )
    if isinstance(products, list) and products and isinstance(products[0], dict):
        return pd.DataFrame(products)
    if isinstance(products, pd.DataFrame) and list(products.columns) == [0]:
        return products[0]  # what MLflow makes of titles
    return products


set_model(ProductClassifier())
