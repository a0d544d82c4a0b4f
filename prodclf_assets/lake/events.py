"""Event logs: rows that arrive all the time, kept as Parquet objects by the hour and never changed again.

Append-only logs keep one JSON object a record, which suits a promotion a week; an event log takes a thousand rows a
second in one object a minute, and gives them back by time range and column.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from prodclf_assets.errors import LakeError
from prodclf_assets.lake.store import Store
from prodclf_assets.lake.versions import NAME_PART

if TYPE_CHECKING:
    import pyarrow as pa

ColumnKind = Literal["time", "string", "float64", "bool"]

_HOUR = timedelta(hours=1)
_KEY = re.compile(
    rf"(?P<hour>\d{{4}}-\d\d-\d\d/\d\d)/(?P<writer>{NAME_PART.pattern})-(?P<number>\d{{6,}})\.parquet"
)
# A day is one listing; beyond so many of them one listing of the whole log is cheaper.
_MOST_DAYS = 62


@dataclass(frozen=True, eq=False)
class EventSchema:
    """What an event log holds.

    Attributes:
        name: of the log, and of its folder.
        columns: the kind of each column, in order; one is `time`, microseconds UTC and never missing.
    """

    name: str
    columns: Mapping[str, ColumnKind]

    @cached_property
    def arrow(self) -> "pa.Schema":
        """The columns as Arrow knows them."""
        # Imported where it is used: a process that only starts others needs no tables.
        import pyarrow as pa

        kinds = {
            "time": pa.timestamp("us", tz="UTC"),
            "string": pa.string(),
            "float64": pa.float64(),
            "bool": pa.bool_(),
        }
        return pa.schema(
            [pa.field(name, kinds[kind], nullable=name != "time") for name, kind in self.columns.items()]
        )


class EventLog:
    """Rows with a time, in objects `<log>/events/YYYY-MM-DD/HH/<writer>-<sequence>.parquet`.

    An object is created only if its name is free, so writers never touch each other's, or their own earlier ones.

    Args:
        store: where the objects are kept.
        log: its name and its columns.
    """

    def __init__(self, store: Store, log: EventSchema) -> None:
        self.schema = log.arrow
        self._store = store
        self._home = f"{log.name}/events/"
        self._next: dict[str, int] = {}

    def append(self, table: "pa.Table", writer: str, at: datetime) -> str:
        """Store rows of one hour as one object; they are durable when this returns.

        Calling it again with the same rows after an error stores them once, even if the first try had in truth
        succeeded, as long as nobody else appends in this writer's name meanwhile.

        Args:
            table: the rows; columns of the log that are absent are stored as null.
            writer: who writes, unique among those that write at the same time (a host and a process, say).
            at: any time in the hour that all the rows' `time` lie in.

        Returns:
            The key of the object.

        Raises:
            LakeError: the store cannot be written.
            ValueError: no row, an unknown column, a `time` outside the hour, or a writer that cannot be in a path.
        """
        if not NAME_PART.fullmatch(writer):
            raise ValueError(f"{writer!r} cannot be part of a path")
        hour = _hour_of(at)
        data = self._encode(table, hour)
        home = f"{self._home}{_folder(hour)}/"
        number = self._next.get(writer, 0)
        while True:
            key = f"{home}{writer}-{number:06d}.parquet"
            # The second test: a retried request may have stored our rows without our having heard of it.
            if self._store.create(key, data) or self._store.read(key)[0] == data:
                self._next[writer] = max(number + 1, self._next.get(writer, 0))
                return key
            number = max(number, self._last_number(home, writer)) + 1

    def read(self, since: datetime, until: datetime, columns: Iterable[str] | None = None) -> "pa.Table":
        """Return the rows with `since` <= time < `until`, hour by hour and within an hour writer by writer.

        Args:
            since: start; aware. `datetime.min` in UTC asks for all there is, at the price of one long listing.
            until: end, exclusive; aware.
            columns: names to read; all when None.

        Raises:
            LakeError: the store cannot be read, or an object in it is damaged (named).
        """
        import pyarrow as pa

        columns = None if columns is None else list(columns)
        empty = self._projected(columns).empty_table()
        return pa.concat_tables([empty, *self.batches(since, until, columns)])

    def batches(
        self, since: datetime, until: datetime, columns: Iterable[str] | None = None
    ) -> "Iterator[pa.Table]":
        """Yield what `read` returns object by object, so that no more than one is in memory; none is empty."""
        yield from self.unseen(set(), since, until, columns)

    def unseen(
        self, seen: set[str], since: datetime, until: datetime, columns: Iterable[str] | None = None
    ) -> "Iterator[pa.Table]":
        """The same without the objects whose keys are in `seen`, to which those that are read are added.

        Objects never change, so whoever follows a log reads each of them once.
        """
        schema = self._projected(columns)
        for key in self._keys(since, until):
            if key in seen:
                continue
            table = self._decode(key, schema, since, until)
            seen.add(key)
            if len(table):
                yield table

    def _projected(self, columns: Iterable[str] | None) -> "pa.Schema":
        import pyarrow as pa

        return self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])

    def _encode(self, table: "pa.Table", hour: datetime) -> bytes:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        unknown = set(table.column_names) - set(self.schema.names)
        if unknown or not len(table):
            raise ValueError(f"no column of this log: {sorted(unknown)}" if unknown else "no row to append")
        present = set(table.column_names)
        whole = pa.table(
            [
                table[field.name] if field.name in present else pa.nulls(len(table), field.type)
                for field in self.schema
            ],
            self.schema.names,
        ).cast(self.schema)
        bounds = pc.min_max(whole["time"])
        if bounds["min"].as_py() < hour or bounds["max"].as_py() >= hour + _HOUR:
            raise ValueError(f"a time is outside the hour that begins at {hour}")
        sink = pa.BufferOutputStream()
        # One chunk a column: the same rows must become the same bytes however they were gathered.
        pq.write_table(whole.combine_chunks(), sink, compression="zstd")
        return bytes(sink.getvalue())

    def _decode(self, key: str, schema: "pa.Schema", since: datetime, until: datetime) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        data, _ = self._store.read(key)
        try:
            file = pq.ParquetFile(pa.BufferReader(data))
            # An older writer may not have had a column that was added since.
            there = set(file.schema_arrow.names)
            present = [name for name in schema.names if name in there]
            # Objects are small and many: threads would take longer to start than to read.
            table = file.read(columns=[*present, *({"time"} - set(present))], use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise LakeError(
                f"{self._store.describe(key)} is damaged ({error}): restore or remove the file"
            ) from error
        time = table["time"]
        low, high = (pa.scalar(bound, time.type) for bound in (since, until))
        within = pc.and_(pc.greater_equal(time, low), pc.less(time, high))
        if not pc.all(within).as_py():
            table = table.filter(within)
        arrays = [
            table[field.name] if field.name in there else pa.nulls(len(table), field.type) for field in schema
        ]
        return pa.table(arrays, schema.names).cast(schema)

    def _keys(self, since: datetime, until: datetime) -> list[str]:
        """Keys of the objects whose hour overlaps the range, oldest hour first."""
        if until <= since:
            return []
        first, last = _hour_of(since), _hour_of(until - timedelta(microseconds=1))
        days = (last.date() - first.date()).days
        prefixes = [self._home]
        if days <= _MOST_DAYS:
            prefixes = [f"{self._home}{first.date() + timedelta(day)}/" for day in range(days + 1)]
        low, high = _folder(first), _folder(last)
        found = [key for prefix in prefixes for key in self._store.list(prefix)]
        matches = ((key, _KEY.fullmatch(key.removeprefix(self._home))) for key in found)
        return [key for key, match in matches if match and low <= match["hour"] <= high]

    def _last_number(self, home: str, writer: str) -> int:
        """The highest number that a writer has used in an hour; -1 when a pruning has just taken all away."""
        matches = (_KEY.fullmatch(key.removeprefix(self._home)) for key in self._store.list(home))
        numbers = (int(match["number"]) for match in matches if match and match["writer"] == writer)
        return max(numbers, default=-1)


def by_hour(table: "pa.Table") -> "Iterator[tuple[datetime, pa.Table]]":
    """Split rows by the hour of their `time`, for `EventLog.append`; hours in order, rows in theirs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # A scalar with a type of its own: to infer one, pyarrow would import pandas.
    hours = pc.floor_temporal(table["time"], unit="hour")
    for hour in sorted(hours.unique().to_pylist()):
        yield hour, table.filter(pc.equal(hours, pa.scalar(hour, hours.type)))


def _hour_of(time: datetime) -> datetime:
    """Start of the hour, UTC."""
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _folder(hour: datetime) -> str:
    """`YYYY-MM-DD/HH`; `strftime` would write the year 1 with one digit."""
    return hour.isoformat()[:13].replace("T", "/")
