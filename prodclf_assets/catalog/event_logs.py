"""What is kept of each answer and of each annotation: the columns of the lake's two event logs."""

from typing import Final

from prodclf_assets.catalog.columns import LABEL_COLUMN, NUMERIC_COLUMNS, PRODUCT_COLUMNS
from prodclf_assets.lake.events import ColumnKind, EventSchema

_PRODUCT: Final[dict[str, ColumnKind]] = {
    name: "float64" if name in NUMERIC_COLUMNS else "string" for name in PRODUCT_COLUMNS
}
PREDICTION_LOG: Final = EventSchema(
    "prediction_log",
    {
        "time": "time",
        "request_id": "string",
        "model_version": "string",
        **_PRODUCT,
        "predicted_category": "string",
        "confidence": "float64",
        "decision": "string",
        "branch": "string",
        "familiarity": "float64",
        "degraded": "bool",
    },
)
"""What serving answered: the product as the model saw it, and the answer."""
FEEDBACK: Final = EventSchema(
    "feedback",
    {
        "time": "time",
        "request_id": "string",
        "reviewer": "string",
        **_PRODUCT,
        "predicted_category": "string",
        LABEL_COLUMN: "string",
        "model_version": "string",
        "source": "string",
        "annotation": "string",
        "verdict": "string",
        "note": "string",
    },
)
"""What people said of products."""
