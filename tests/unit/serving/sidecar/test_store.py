"""A row of the database has a value for every parameter of the statement."""

import re
from collections.abc import Mapping

import msgspec

from readmission import contract
from serving.prediction_log.entries import Entry
from serving.sidecar import store


def test_a_row_states_every_column_by_name() -> None:
    inputs = msgspec.json.encode(dict(contract.EXAMPLE))
    entry = Entry(
        prediction_id="id",
        moment=1_000,
        model="m",
        version="1",
        variant="champion",
        inputs=inputs,
        probabilities=(0.1, 0.2, 0.7),
        latency=0.002,
        request_id="r",
    )
    row = store._row(entry)
    columns = [name.strip() for name in store._INSERT.partition("(")[2].partition(")")[0].split(",")]
    assert re.findall(r"%\((\w+)\)s", store._ROW) == columns
    assert set(row) == set(columns)
    assert (row["prediction"], row["p_no"], row["p_late"], row["p_early"]) == ("<30", 0.1, 0.2, 0.7)
    assert (row["latency_ms"], row["predicted_at"].timestamp()) == (2.0, 1.0)


def test_the_hash_does_not_depend_on_the_order_of_fields() -> None:
    def digest(record: Mapping[str, object]) -> object:
        entry = Entry(
            prediction_id="id",
            moment=1,
            model="m",
            version="1",
            variant="champion",
            inputs=msgspec.json.encode(record),
            probabilities=(1.0, 0.0, 0.0),
            latency=0.0,
            request_id="r",
        )
        return store._row(entry)["inputs_sha256"]

    example = dict(contract.EXAMPLE)
    assert digest(example) == digest(dict(reversed(example.items())))
