import pyarrow as pa
import pytest

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS, PRODUCT_COLUMNS
from prodclf_assets.catalog.event_logs import FEEDBACK, PREDICTION_LOG
from prodclf_assets.lake import EventSchema


@pytest.mark.parametrize("log", [PREDICTION_LOG, FEEDBACK], ids=lambda log: log.name)
def test_a_log_has_every_field_of_a_product(log: EventSchema) -> None:
    schema = log.arrow
    at = schema.get_field_index("product_id")
    assert tuple(schema.names[at : at + len(PRODUCT_COLUMNS)]) == PRODUCT_COLUMNS
    numbers = {name for name in PRODUCT_COLUMNS if schema.field(name).type == pa.float64()}
    assert numbers == set(NUMERIC_COLUMNS)


def test_what_was_written_before_is_found_and_read_as_it_was() -> None:
    text, number, time = (
        pa.string(),
        pa.float64(),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
    )
    product = {name: number if name in NUMERIC_COLUMNS else text for name in PRODUCT_COLUMNS}
    answer = {"predicted_category": text, "confidence": number, "decision": text, "branch": text}
    ids = {"request_id": text, "model_version": text}
    said = {"predicted_category": text, "category": text, "model_version": text, "source": text}
    assert (PREDICTION_LOG.name, FEEDBACK.name) == ("prediction_log", "feedback")
    assert PREDICTION_LOG.arrow == pa.schema(
        [time, *({**ids, **product, **answer, "familiarity": number, "degraded": pa.bool_()}).items()]
    )
    # Of the time before people could undo, say why, or say that nothing fits; missing then.
    later = dict.fromkeys(("annotation", "verdict", "note"), text)
    assert FEEDBACK.arrow == pa.schema(
        [time, *({"request_id": text, "reviewer": text, **product, **said, **later}).items()]
    )
