"""Workers of a Ray cluster that file products: each has the model once, and takes some products at a time.

Whoever reads and writes stays one process, so order, row numbers and files are what they are without a cluster. A worker
that dies with its node is replaced where there is room, and what it had at hand is answered by another.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import ray
from ray.exceptions import RayActorError, RayTaskError

from prodclf_assets.classifier.calibration.holds import NOTHING_HELD, Holds
from prodclf_assets.errors import RayUnavailableError

if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_TRIES: Final = 4
"""Workers that may die over one item before it is taken for the reason."""
_START_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 0.5


class _Worker:
    """A process of the cluster with the model loaded.

    Args:
        files: the bundle, bytes by path.
        work: what is done with an item, by the model.
        holds: answers that are held for review.
    """

    def __init__(self, files: dict[str, bytes], work: "Callable[[Any, Bundle], Any]", holds: Holds) -> None:
        from prodclf_assets.classifier.bundle import Bundle

        with tempfile.TemporaryDirectory(prefix="prodclf-bundle-") as folder:
            for name, data in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            self._bundle = Bundle.load(Path(folder), threads=1).with_holds(holds)
        self._work = work

    def ready(self) -> str:
        """The version of prodclf here."""
        return version("prodclf")

    def do(self, item: Any) -> Any:
        """What the work makes of an item."""
        return self._work(item, self._bundle)


class Workers(Generic[Item, Result]):
    """A worker on every core of the cluster that Ray is connected to; may be asked by several threads.

    Args:
        bundle: folder of the model; it is sent to each worker once and need not be where the workers are.
        work: what is done with an item, by the model; it is sent along, as items and results are.
        holds: answers that are held for review.

    Attributes:
        count: workers, as many as the cluster had cores.
        lost: workers that died and were replaced.
    """

    def __init__(
        self, bundle: Path, work: "Callable[[Item, Bundle], Result]", holds: Holds = NOTHING_HELD
    ) -> None:
        files = {
            str(path.relative_to(bundle)): path.read_bytes()
            for path in sorted(bundle.rglob("*"))
            if path.is_file()
        }
        self._arguments = ray.put(files), work, holds
        self._kind = ray.remote(num_cpus=1, max_restarts=0)(_Worker)
        self._free: SimpleQueue[Any] = SimpleQueue()
        self._starting: dict[Any, Any] = {}
        self._lock = threading.Lock()
        self.lost = 0
        self.count = max(1, int(ray.cluster_resources().get("CPU", 1)))
        for _ in range(self.count):
            self._start()

    def do(self, item: Item) -> Result:
        """Have the work done on an item by whichever worker is free.

        Raises:
            RayUnavailableError: no worker is to be had, several died over this item, or prodclf there is not this one.
            ProdclfError: what the work raised.
        """
        sent = ray.put(item)  # once, however often it is tried
        for _ in range(MOST_TRIES):
            worker = self._take()
            try:
                result: Result = ray.get(worker.do.remote(sent))
            except RayActorError:
                self.lost += 1
                self._start()
            except RayTaskError as error:
                self._free.put(worker)
                raise error.cause from None
            else:
                self._free.put(worker)
                return result
        raise RayUnavailableError(
            f"{MOST_TRIES} workers of the cluster died over the same products; give each node more memory"
        )

    def _start(self) -> None:
        worker = self._kind.remote(*self._arguments)
        with self._lock:
            self._starting[worker.ready.remote()] = worker

    def _take(self) -> Any:
        """A worker that is free; those that have started meanwhile are among them."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            self._admit()
            try:
                return self._free.get(timeout=_LOOK_SECONDS)
            except Empty:
                continue
        raise RayUnavailableError(
            f"no worker of the cluster became free within {_START_SECONDS:.0f} s; check that its nodes have free cores"
        )

    def _admit(self) -> None:
        with self._lock:
            starting = list(self._starting)
            done = ray.wait(starting, num_returns=len(starting), timeout=0)[0] if starting else []
            started = [(ref, self._starting.pop(ref)) for ref in done]
        for ref, worker in started:
            try:
                there = ray.get(ref)
            except RayActorError as error:
                if "creation task" in str(error):
                    raise RayUnavailableError(
                        f"a worker of the cluster does not start ({str(error).strip().splitlines()[-1]}); "
                        "install this version of prodclf on every node"
                    ) from error
                self._start()  # its node went away
                continue
            if there != version("prodclf"):
                raise RayUnavailableError(
                    f"the cluster has prodclf {there} and this is {version('prodclf')}; install the same on every node"
                )
            self._free.put(worker)
