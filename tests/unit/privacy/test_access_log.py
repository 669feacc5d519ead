"""The statement of the access log states every column by name."""

import re

from readmission.privacy import access_log
from readmission.privacy.inventory import TABLES


def test_every_column_of_the_table_is_stated_by_name() -> None:
    columns = [name.strip() for name in access_log._INSERT.partition("(")[2].partition(")")[0].split(",")]
    assert re.findall(r"%\((\w+)\)s", access_log._ROW) == columns
    (table,) = (table for table in TABLES if table.name == "privacy.accesses")
    assert {*columns} == {*table.patient, *table.other}
