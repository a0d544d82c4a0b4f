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
        from prodclf_assets.api.classifier import Classifier

        self._model = Classifier.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return one row per product, in order."""
        from prodclf_assets.registry.publishing import OUTPUTS

        return self._model.predict(model_input)[list(OUTPUTS)]


set_model(ProductClassifier())
