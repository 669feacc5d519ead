"""The queries of the exporter: their names, labels and parameters."""

import re

import pytest

from readmission.monitoring.queries import QUERIES, Query


def test_every_metric_is_defined_once() -> None:
    assert len({query.name for query in QUERIES}) == len(QUERIES)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: str(query.name))
def test_a_query_names_its_metric_and_only_known_parameters(query: Query) -> None:
    assert re.fullmatch(r"readmission_[a-z_]+", query.name)
    assert query.name.endswith("_total") == (query.kind == "counter")
    assert query.text.endswith(".")
    assert set(re.findall(r"%\((\w+)\)s", query.sql)) <= {"model_name", "champion"}
    assert len(set(query.labels)) == len(query.labels)
    # A percent sign that is no parameter must be doubled, or psycopg2 takes it for one.
    assert re.sub(r"%%|%\(\w+\)s", "", query.sql).count("%") == 0


def test_only_what_the_champion_decides_waits_for_it() -> None:
    waiting = {query.name for query in QUERIES if query.needs_champion}
    assert "readmission_champion_info" in waiting and "readmission_batches" not in waiting
