"""One scrape for all replicas: whichever is asked for its metrics asks the others for theirs.

A balancer hands a scrape to any replica. Were that one to answer for itself alone, every scrape would show another
replica's counters, and rates and sums would be wrong. Prometheus cannot be pointed at the replicas instead: their ports
change and are not reachable from outside.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

logger = logging.getLogger("prodclf.serving")

ReplicaMetrics = Callable[[], Awaitable[dict[str, bytes]]]
"""Asks for the metrics of replicas, by their name."""

_SECONDS = 2.0


class ServeReplicas:
    """The replicas of the Ray Serve deployment that this code runs in."""

    def __init__(self) -> None:
        self._handle: Any = None

    async def __call__(self) -> dict[str, bytes]:
        """Ask every replica for its metrics; nothing when one of them does not answer within two seconds."""
        from ray import serve

        try:
            if self._handle is None:
                context = serve.get_replica_context()
                # In a thread: it waits for an answer of the controller.
                self._handle = await asyncio.to_thread(
                    serve.get_deployment_handle, context.deployment, context.app_name
                )
            asked = self._handle.broadcast("own_metrics")
            answers = await asked.results_async(timeout_s=_SECONDS, return_exceptions=True)
        except Exception as error:
            # Ray at a bad moment (its controller is being replaced, say): a scrape of one replica beats none.
            logger.warning("the other replicas' metrics are not to be had: %s", error)
            return {}
        return dict(answer for answer in answers if isinstance(answer, tuple))


def merged(texts: Iterable[bytes]) -> bytes:
    """One text of several in Prometheus' format; it wants all samples of a metric together, below one heading."""
    families: dict[bytes, list[bytes]] = {}
    for text in texts:
        for block in text.split(b"# HELP ")[1:]:
            help_line, type_line, samples = block.split(b"\n", 2)
            families.setdefault(b"# HELP %b\n%b\n" % (help_line, type_line), []).append(samples)
    return b"".join(heading + b"".join(samples) for heading, samples in families.items())
