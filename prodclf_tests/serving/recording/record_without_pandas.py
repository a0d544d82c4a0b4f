"""Everything a replica does with pyarrow, in a process that has not loaded pandas; prints what got loaded.

Run by `test_recorder`: `python -m prodclf_tests.serving.recording.record_without_pandas BUNDLE LAKE`.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from prodclf_assets.lean_imports import UNUSED, load_arrow, load_compiler, without


def main(folder: Path, location: str) -> None:
    with without(*UNUSED):
        from prodclf_assets.catalog.event_logs import FEEDBACK, PREDICTION_LOG
        from prodclf_assets.classifier.bundle import Bundle
        from prodclf_assets.lake import open_lake
        from prodclf_serving.inference.loaded_model import LoadedModel
        from prodclf_serving.inference.predictor import answer_records
        from prodclf_serving.metrics.live_drift import LiveDrift
        from prodclf_serving.recording.feedback_store import FeedbackStore
        from prodclf_serving.recording.prediction_log import PredictionLog
        from prodclf_serving.recording.recorder import Recorder
    load_compiler()
    load_arrow()
    lake = open_lake(location)
    model = LoadedModel(Bundle.load(folder, threads=1), "1", "champion", folder, 0.0)
    log = PredictionLog(lambda: lake.events(PREDICTION_LOG), "w", share=0.9, seconds=60, max_bytes=2**20)
    drift = LiveDrift()
    recorder = Recorder([lambda model, table: log.add(table), drift.add])
    records = [{"product_id": n, "title": f"Cotton towel {n}", "price": n or None} for n in range(300)]
    recorder.add("r", model, records, answer_records(model, records, 1))
    recorder.collect()
    assert log.flush()
    assert drift.found is not None
    store = FeedbackStore(lambda: lake.events(FEEDBACK), "w")
    asyncio.run(store.store([{"time": datetime.now(UTC), "title": "Towel", "category": "Home"}]))
    print(sorted({"pandas", "pyarrow", "sklearn"} & set(sys.modules)))
    # A table still becomes a frame, and a frame's column a column, as anywhere else.
    always = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    found = lake.events(PREDICTION_LOG).read(*always).to_pandas()
    print(found["price"].isna().sum() <= 1, 200 < len(found) < 300)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
