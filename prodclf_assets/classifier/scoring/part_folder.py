"""A folder of parts that together are one table: what is finished stays when the process dies, and is not made again.

Parts are written in order, each whole under its own name; then the manifest names it. Only what the manifest names counts,
so a part that was cut off is written again and no row is there twice.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from prodclf_assets.catalog.reading.formats.writers import Format, TableWriter, stream_writer
from prodclf_assets.classifier.scoring.score_table import NOTHING_SCORED, ScoreCounts
from prodclf_assets.errors import SourceError
from prodclf_assets.lake import MissingObjectError, sha256_of

if TYPE_CHECKING:
    from prodclf_assets.lake import Store

MANIFEST: Final = "manifest.json"
PART_ROWS: Final = 100_000
"""Rows from which a part is full; it ends with the chunk that fills it."""


@dataclass(frozen=True)
class Part:
    """A finished part.

    Attributes:
        name: of the file.
        rows: in it.
        decisions: rows for each decision.
        problem_rows: rows of which something could not be used.
        size: bytes.
        sha256: of the bytes.
    """

    name: str
    rows: int
    decisions: dict[str, int]
    problem_rows: int
    size: int
    sha256: str


class PartFolder:
    """See the module.

    Args:
        store: where the parts lie.
        format_: of each part.
        made_from: names everything that the table follows from; parts of another table are removed.

    Attributes:
        finished: the parts before, in order.

    Raises:
        SourceError: something else is in the folder.
        LakeError: the folder cannot be read.
    """

    def __init__(self, store: "Store", format_: Format, made_from: str) -> None:
        self._store, self._format, self._made_from = store, format_, made_from
        self._tag: str | None = None
        found: dict[str, Any] = {}
        try:
            data, self._tag = store.read(MANIFEST)
        except MissingObjectError:
            if any(not name.startswith(".") for name in store.list("")):
                raise SourceError(
                    f"{store.describe()} holds other files; give a folder that is empty or does not exist"
                ) from None
        else:
            found = json.loads(data)
        self.finished = [Part(**part) for part in found.get("parts", ())]
        if found and found["made_from"] != made_from:
            self._note([])
            store.delete([part.name for part in self.finished])
            self.finished = []

    @property
    def counts(self) -> ScoreCounts:
        """How the rows of the finished parts were answered."""
        total = NOTHING_SCORED
        for part in self.finished:
            total += ScoreCounts(part.rows, part.decisions, part.problem_rows)
        return total

    @contextmanager
    def writing(self) -> "Iterator[PartWriter]":
        """Write what follows on the finished parts; what is not a whole part is one at the end of the block."""
        with tempfile.TemporaryDirectory(prefix="prodclf-part-") as scratch:
            writer = PartWriter(self, Path(scratch) / "part", self._format)
            yield writer
            writer.finish()
        self._note(self.finished, complete=True)

    def add(self, path: Path, counts: ScoreCounts) -> None:
        """Take a part; once this returns it counts."""
        name = f"part-{len(self.finished):05}.{self._format}"
        part = Part(name, **asdict(counts), size=path.stat().st_size, sha256=sha256_of(path))
        self._store.upload(name, path)
        self._note([*self.finished, part])
        self.finished.append(part)

    def _note(self, parts: list[Part], *, complete: bool = False) -> None:
        content = {
            "made_from": self._made_from,
            "complete": complete,
            "rows": sum(part.rows for part in parts),
            "parts": [asdict(part) for part in parts],
        }
        data = (json.dumps(content, indent=1) + "\n").encode()
        if not self._store.replace(MANIFEST, data, self._tag):
            raise SourceError(
                f"{self._store.describe()} is being written by somebody else; wait, or give another"
            )
        self._tag = self._store.read(MANIFEST)[1]


class PartWriter:
    """Writes rows into parts.

    Args:
        folder: takes them.
        scratch: a file for the part that is being written.
        format_: of each part.
    """

    def __init__(self, folder: PartFolder, scratch: Path, format_: Format) -> None:
        self._folder, self._scratch, self._format = folder, scratch, format_
        self._begin()

    def _begin(self) -> None:
        self._counts = NOTHING_SCORED
        self._file: BinaryIO = self._scratch.open("wb")
        self._opened = stream_writer(self._file, self._format)
        self._writer: TableWriter = self._opened.__enter__()

    def put(self, encoded: Any, counts: ScoreCounts) -> None:
        """Append rows that were encoded in the format of the parts."""
        self._writer.put(encoded)
        self._counts += counts
        if self._counts.rows >= PART_ROWS:
            self.finish()
            self._begin()

    def finish(self) -> None:
        """End the part."""
        self._opened.__exit__(None, None, None)
        self._file.close()
        if self._counts.rows:
            self._folder.add(self._scratch, self._counts)
