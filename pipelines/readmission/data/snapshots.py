"""Read the clean snapshots that `process` wrote: one Parquet object a batch, checked against its recorded hash."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from readmission import contract
from readmission.errors import RefusalError, UserError
from readmission.features import history
from readmission.settings import Role, Settings
from readmission.stores import objects, postgres

_BY_DTYPE = {"float64": pa.float64(), "int64": pa.int64()}
_TIME = pa.timestamp("us", tz="UTC")
#: Types of a clean batch. They are stated, not inferred: a column without a value has no type of its own.
SCHEMA = pa.schema(
    [
        *(pa.field(c.name, _BY_DTYPE.get(c.dtype, pa.large_string())) for c in contract.COLUMNS),
        pa.field("batch_id", pa.int64()),
        pa.field("split", pa.large_string()),
    ]
)
_DATED = pa.schema([*SCHEMA, *(pa.field(name, _TIME) for name in history.TIMES)])


def schema_of(columns: Iterable[str]) -> pa.Schema:
    """Return the types of some columns of a clean batch; `history.TIMES` are among them if it has discharge dates."""
    return pa.schema([_DATED.field(name) for name in columns])


class NoCleanBatchError(RefusalError):
    """There is no clean batch with rows."""


@dataclass(frozen=True)
class CleanBatch:
    """One clean batch in memory, as its Parquet object: compressed, a tenth of its encoded rows.

    Attributes:
        data: Content of the object, checked against its recorded hash.
    """

    data: bytes

    def table(self, columns: Sequence[str] | None = None, splits: Sequence[str] | None = None) -> pa.Table:
        """Return rows of the batch: one an encounter, by rising encounter (docs/architecture.md).

        Args:
            columns: Columns to read. If omitted, all.
            splits: Splits to read rows of. If omitted, all.
        """
        stored = pyarrow.parquet.read_schema(io.BytesIO(self.data)).names
        # Only a batch with discharge dates has times.
        names = None if columns is None else [n for n in columns if n in stored or n not in history.TIMES]
        if not pyarrow.parquet.read_metadata(io.BytesIO(self.data)).num_rows:
            # Older versions wrote empty batches with inferred types, which no filter on `split` can read.
            return schema_of(SCHEMA.names if names is None else names).empty_table()
        chosen = None if splits is None else pyarrow.compute.field("split").isin(splits)
        return pyarrow.parquet.read_table(io.BytesIO(self.data), columns=names, filters=chosen)


@dataclass(frozen=True)
class Snapshot:
    """Clean batches that data is read from.

    Attributes:
        store: Object store of their Parquet files.
        keys: Batch id, key and sha256 of each object, in the order of the batches.
    """

    store: objects.ObjectStore
    keys: Sequence[tuple[int, str, str]]

    @property
    def sha256(self) -> str:
        """Return the data hash: sha256 over the batches' hashes in order."""
        return sha256("".join(digest for _, _, digest in self.keys).encode()).hexdigest()

    @property
    def batches(self) -> list[int]:
        """Return the batch ids."""
        return [batch_id for batch_id, _, _ in self.keys]

    def read_batches(self) -> Iterator[CleanBatch]:
        """Read one batch after another, each object once.

        Raises:
            UserError: An object's content is not what was recorded.
        """
        for batch_id, key, digest in self.keys:
            data = self.store.get(key)
            if sha256(data).hexdigest() != digest:
                raise UserError(f"The clean snapshot of batch {batch_id} ({key}) is not what `process` wrote.")
            yield CleanBatch(data)

    def tables(self, columns: Sequence[str] | None = None, splits: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows of one batch after another; the arguments are those of `CleanBatch.table`.

        Raises:
            UserError: An object's content is not what was recorded.
        """
        return (batch.table(columns, splits) for batch in self.read_batches())

    def visits(self) -> bytes:
        """Return what later encounters see of every row: the table that `Visits` reads."""
        return history.join(
            [history.seen(table.to_pandas()) for table in self.tables((*history.VISIT_COLUMNS, *history.TIMES))]
        )

    def frame(self) -> pd.DataFrame:
        """Read the whole typed frame at once, ordered by batch and encounter.

        A column that the contract has got since a batch was processed is missing in the rows of that batch.
        """
        return pa.concat_tables(self.tables(), promote_options="default").to_pandas()


def find(settings: Settings, up_to: int | None = None, role: Role = "train") -> Snapshot:
    """Return the newest snapshots of the clean batches that have rows, up to one of them or all.

    Args:
        settings: Addresses of the stores.
        up_to: Last batch to take. If omitted, all.
        role: Database role that reads the list of batches.

    Raises:
        NoCleanBatchError: There is no clean batch.
    """
    with postgres.transaction(settings, role) as cursor:
        cursor.execute(
            "SELECT batch_id, snapshot, snapshot_sha256 FROM clean.snapshots WHERE rows > 0 AND batch_id <= %(up_to)s"
            " ORDER BY batch_id",
            {"up_to": up_to if up_to is not None else 2**31 - 1},
        )
        keys: Sequence[tuple[int, str, str]] = cursor.fetchall()
    if not keys:
        raise NoCleanBatchError(
            "There is no clean batch yet: run `readmission ingest --next` and `readmission process`."
        )
    return Snapshot(objects.objects(settings), keys)


def code_systems(settings: Settings, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the declared code systems of a snapshot's diagnoses, before they were translated."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT DISTINCT icd FROM raw.batches WHERE batch_id = ANY(%(batches)s) ORDER BY icd DESC",
            {"batches": snapshot.batches},
        )
        return tuple(system for (system,) in cursor.fetchall())


def is_synthetic(settings: Settings, snapshot: Snapshot) -> bool:
    """Return whether any batch of a snapshot comes from the synthetic sample."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT bool_or(synthetic) FROM raw.batches WHERE batch_id = ANY(%(batches)s)",
            {"batches": snapshot.batches},
        )
        return bool(cursor.fetchone()[0])
