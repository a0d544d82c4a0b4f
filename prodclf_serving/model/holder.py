"""The model that answers: follows the registry's alias, and never gives up a good model for a bad one."""

import functools
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.errors import BundleError
from prodclf_assets.monitoring.audit.overlay import Overlay
from prodclf_assets.registry import RegisteredVersion
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.inference.predictor import answer_records
from prodclf_serving.model.cache import CachedModel, ModelCache

logger = logging.getLogger("prodclf.serving")

RefreshResult = Literal["unchanged", "swapped", "refused", "unreachable", "from_cache", "absent"]

_REFUSED_FOR_SECONDS = 60.0
_HOLDS = "holds.json"
_CANARY = ({"title": "Stainless steel water bottle 1 litre", "brand": "Canary", "price": "₹499"},)


class ModelSource(Protocol):
    """Where versions come from; `prodclf_assets.registry.Registry` is one."""

    def resolve(self, ref: str) -> RegisteredVersion:
        """The exact version that an alias or version number names now."""

    def fetch(self, version: RegisteredVersion, into: Path) -> Path:
        """Copy the bundle of a version below a folder and return the bundle's folder."""


@dataclass(frozen=True)
class _Refusal:
    version: str
    until: float


class ModelHolder:
    """Holds the model that answers and keeps it current.

    `refresh` resolves the alias to an exact version, fetches that aside, verifies every hash, tries a canary
    prediction, and only then swaps one reference; whoever read the old one goes on with it. Whatever fails leaves the
    last good model in place. A version that was refused is tried again after a minute, fetched afresh.

    Args:
        open_source: opens the registry; called again at each refresh until it succeeds, never more than once after.
        alias: the alias or version number to follow.
        cache: where fetched bundles are kept, and where a start without a registry finds the last good one.
        on_outcome: called with the outcome of each refresh, for metrics.
        read_overlay: gives what is held for review, from what was known before.
    """

    def __init__(
        self,
        open_source: Callable[[], ModelSource],
        alias: str,
        cache: ModelCache,
        on_outcome: Callable[[RefreshResult], None] = lambda outcome: None,
        read_overlay: Callable[[Overlay], Overlay] = lambda known: known,
    ) -> None:
        self._source = functools.cache(open_source)
        self._alias = alias
        self._cache = cache
        self._on_outcome = on_outcome
        self._read_overlay = read_overlay
        self._refreshing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._refusal: _Refusal | None = None
        self._last_outcome: RefreshResult | None = None
        self._overlay_unreadable = False
        self.overlay = self._kept_overlay()
        self.current: LoadedModel | None = None
        self.previous: CachedModel | None = None
        self.last_error: str | None = None

    def start(self, poll_seconds: float) -> None:
        """Refresh once in this thread, then go on in a background thread every `poll_seconds`."""
        self.refresh()
        self._thread = threading.Thread(
            target=self._poll, args=(poll_seconds,), name="model-poll", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def refresh(self) -> RefreshResult:
        """Bring the model up to date with the alias; never raises, whatever the registry or the store does."""
        with self._refreshing:
            self._follow_overlay()
            outcome = self._refresh()
            self._on_outcome(outcome)
            self._last_outcome = outcome
            return outcome

    def _poll(self, poll_seconds: float) -> None:
        while not self._stop.wait(poll_seconds):
            self.refresh()

    def _follow_overlay(self) -> None:
        """Hold what is to be held; what was known last stays while it cannot be read."""
        try:
            overlay = self._read_overlay(self.overlay)
        except Exception as error:
            # The boundary to the lake, as that to the registry.
            if not self._overlay_unreadable:
                logger.warning("what is held for review cannot be read: %s", error)
            self._overlay_unreadable = True
            return
        self._overlay_unreadable = False
        if overlay == self.overlay:
            return
        self.overlay = overlay
        if self.current is not None:
            self.current = replace(self.current, bundle=self.current.bundle.with_holds(overlay.holds))
        held = ", ".join(change.what for change in overlay.held)
        logger.info("held for review: %s", held or "nothing")
        try:
            self._cache.keep(_HOLDS, overlay.to_json())
        except OSError as error:
            logger.warning(
                "the model cache cannot be written, a start without the lake would hold nothing: %s", error
            )

    def _kept_overlay(self) -> Overlay:
        """What was held when this machine last knew; the lake says whether it still is."""
        kept = self._cache.kept(_HOLDS)
        try:
            return Overlay() if kept is None else Overlay.from_json(None, kept)
        except (ValueError, TypeError):
            return Overlay()

    def _refresh(self) -> RefreshResult:
        try:
            source = self._source()
            found = source.resolve(self._alias)
        except Exception as error:
            # The boundary to MLflow, its store and the network: whatever they raise, the answers go on.
            return self._without_registry(error)
        version = str(found.version)
        if self.current is not None and self.current.version == version:
            return self._confirmed()
        if self._refusal and self._refusal.version == version and time.monotonic() < self._refusal.until:
            return "unchanged"
        folder: Path | None = None
        try:
            folder = source.fetch(found, self._cache.folder)
            model = self._load(folder, version, degraded_reason=None)
        except Exception as error:
            return self._refuse(version, folder, error)
        self._swap(model)
        return "swapped"

    def _load(self, folder: Path, version: str, degraded_reason: str | None) -> LoadedModel:
        """Verify a bundle and see it predict.

        Raises:
            BundleError: its bytes, its format or its answer to the canary are wrong.
        """
        bundle = Bundle.load(folder, threads=1).with_holds(self.overlay.holds)
        model = LoadedModel(bundle, version, self._alias, folder, time.time(), degraded_reason)
        (answer,) = answer_records(model, _CANARY, top_k=1)
        total = sum(entry["probability"] for entry in answer.probabilities)
        if not answer.probabilities or not math.isfinite(total + answer.confidence):
            raise BundleError(f"model version {version} gives no probability for the canary product")
        return model

    def _swap(self, model: LoadedModel) -> None:
        former, self.current = self.current, model
        # On disk only, where going back to it finds it: in memory it would add a model's size after the first swap.
        self.previous = CachedModel(former.version, former.folder) if former else None
        self._refusal = None
        self.last_error = None
        logger.info("model version %s (%s) is live", model.version, model.bundle.version)
        try:
            self._cache.remember(CachedModel(model.version, model.folder))
            self._cache.prune({held.folder for held in (self.current, self.previous) if held})
        except OSError as error:
            logger.warning(
                "the model cache cannot be written, a start without registry would fail: %s", error
            )

    def _confirmed(self) -> RefreshResult:
        """The registry names the model that is live already; one that came from the cache is now known to be right."""
        model = self.current
        if model is not None and model.degraded_reason is not None:
            self.current = replace(model, degraded_reason=None)
        self.last_error = None
        return "unchanged"

    def _refuse(self, version: str, folder: Path | None, error: Exception) -> RefreshResult:
        self._refusal = _Refusal(version, time.monotonic() + _REFUSED_FOR_SECONDS)
        if folder is not None:
            self._cache.discard(folder)
        going_on = f"version {self.current.version} goes on" if self.current else "no model is loaded"
        self.last_error = f"model version {version} is refused: {error}; {going_on}"
        logger.error("%s", self.last_error)
        if self.current is None:
            self._from_cache(self.last_error)
        return "refused"

    def _without_registry(self, error: Exception) -> RefreshResult:
        self.last_error = f"the model registry cannot say which version is {self._alias!r}: {error}"
        if self._last_outcome not in ("unreachable", "from_cache", "absent"):
            logger.warning("%s", self.last_error)  # once, not at every poll of an outage
        if self.current is not None:
            return "unreachable"
        return "from_cache" if self._from_cache(self.last_error) else "absent"

    def _from_cache(self, reason: str) -> bool:
        kept = self._cache.last_good()
        if kept is None:
            return False
        try:
            self.current = self._load(kept.folder, kept.version, f"started from the local cache: {reason}")
        except Exception as error:
            logger.error("the cached model version %s is refused too: %s", kept.version, error)
            self._cache.discard(kept.folder)
            return False
        logger.warning("model version %s is live from the local cache", kept.version)
        return True
