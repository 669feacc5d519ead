"""The columns of the scorer's row."""

from readmission import contract
from readmission.scorer.layout import Layout, LookupTable

TABLES = tuple(LookupTable(name, ("a",), (1.0,), None) for name in ("age", "gender"))


def test_the_row_is_tables_then_two_numbers_a_diagnosis_then_flags_and_history() -> None:
    layout = Layout(tables=TABLES, flags=(0, 3, 4), single=False, history=(0,))
    assert layout.width == 2 + 2 * len(contract.DIAGNOSES) + 3 + 1 == len(layout.sources)
    assert layout.sources[:2] == ("age", "gender")
    assert set(layout.sources[2:8]) == set(contract.DIAGNOSES)
