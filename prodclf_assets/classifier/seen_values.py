"""Which values a column had in training, and how often, in bounded space: brands and sellers may be millions.

The commonest values are listed with their shares; the others share 16 buckets by hash, so that a rare value that grows
still shows. Whether a value was seen at all is told by a Bloom filter (Bloom 1970; two hashes for many, Kirsch &
Mitzenmacher 2006), which takes about one unseen value in a hundred for a seen one.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

MOST_LISTED = 200
MOST_KNOWN = 50_000
BUCKETS = 16
_BITS_A_VALUE = 10
_HASHES = 7


@dataclass(frozen=True)
class SeenValues:
    """The values of one column of n products; upper and lower case are one.

    Attributes:
        rows: products that have a value.
        shares: the commonest values with their shares of `rows`, the commonest first.
        rest: float[BUCKETS], shares of all other values by `bucket_of`; with `shares` they add up to 1.
        once: share of `rows` whose value no other row has: the chance that the next product's value is a new one
            (Good 1953, Turing's estimate).
        known: Bloom filter of the `MOST_KNOWN` commonest values, a power of two of bits, in base85.
    """

    rows: int
    shares: Mapping[str, float]
    rest: tuple[float, ...]
    once: float
    known: str

    @classmethod
    def of(cls, values: Iterable[str]) -> Self:
        """Count the values; "" is a missing one and left out."""
        # Counted as Python texts: in a NumPy array of texts every value takes as much memory as the longest one.
        counts = Counter(value.casefold() for value in values if value)
        rows = counts.total()
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        rest = [0] * BUCKETS
        for value, count in ranked[MOST_LISTED:]:
            rest[bucket_of(value)] += count
        return cls(
            rows,
            {value: round(count / rows, 6) for value, count in ranked[:MOST_LISTED]},
            tuple(round(count / max(rows, 1), 6) for count in rest),
            round(sum(1 for count in counts.values() if count == 1) / max(rows, 1), 6),
            base64.b85encode(_filter([value for value, _ in ranked[:MOST_KNOWN]])).decode(),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{**content, "rest": tuple(content["rest"])})

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON-able values."""
        return {**asdict(self), "rest": list(self.rest)}

    def __contains__(self, value: str) -> bool:
        """Say whether a value was (very likely) seen."""
        return all(self._bits[place >> 3] >> (place & 7) & 1 for place in _places(value, 8 * len(self._bits)))

    @cached_property
    def _bits(self) -> bytes:
        return base64.b85decode(self.known)


def bucket_of(value: str) -> int:
    """The bucket, 0 to BUCKETS - 1, of a value: the same in every process."""
    return _digest(value)[0] % BUCKETS


def _filter(values: Collection[str]) -> bytes:
    size = 64
    while size < _BITS_A_VALUE * len(values):
        size *= 2
    bits = bytearray(size // 8)
    for value in values:
        for place in _places(value, size):
            bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)


def _places(value: str, size: int) -> Iterable[int]:
    digest = _digest(value)
    first, step = int.from_bytes(digest[1:9], "big"), int.from_bytes(digest[9:], "big") | 1
    return ((first + i * step) % size for i in range(_HASHES))


def _digest(value: str) -> bytes:
    return hashlib.blake2b(value.casefold().encode("utf-8", "surrogatepass"), digest_size=17).digest()
