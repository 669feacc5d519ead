"""The same data work as course projects write it: pandas, to_sql, a loop over the rows.

``python -m bench baseline FILE BATCH_ROWS``; the database is that of the settings. It reads the file, stores it raw in
batches, reads it back, drops deaths and hospice, reads ICD-9 codes into chapters row by row, splits by patient and
stores it clean. It validates, quarantines and hashes nothing and cannot be rerun, which is less than `ingest` and
`process` do.
"""

from argparse import ArgumentParser

import pandas as pd
from sqlalchemy import create_engine, text

from readmission import contract
from readmission.settings import load_settings

#: First and last code of an ICD-9 chapter -> its name.
_CHAPTERS = {
    (390, 459): "circulatory",
    (460, 519): "respiratory",
    (520, 579): "digestive",
    (580, 629): "genitourinary",
    (710, 739): "musculoskeletal",
    (800, 999): "injury",
    (140, 239): "neoplasms",
    (240, 279): "endocrine",
}


def chapter(code: object) -> str:
    """Name the ICD-9 chapter the way notebooks do."""
    if not isinstance(code, str) or not code[0].isdigit():
        return "other"
    number = int(float(code))
    return next((name for (first, last), name in _CHAPTERS.items() if first <= number <= last), "other")


def main(arguments: list[str]) -> int:
    """Store the file raw and clean, naively."""
    parser = ArgumentParser(prog="python -m bench baseline", description=__doc__)
    parser.add_argument("path", help="csv of the data set")
    parser.add_argument("batch_rows", type=int, help="rows of a batch")
    options = parser.parse_args(arguments)
    engine = create_engine(load_settings().database_url("owner"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS naive CASCADE"))
        connection.execute(text("CREATE SCHEMA naive"))
    data = pd.read_csv(options.path, na_values="?", keep_default_na=False, low_memory=False)
    for start in range(0, len(data), options.batch_rows):
        batch = data.iloc[start : start + options.batch_rows]
        batch.to_sql("raw", engine, schema="naive", if_exists="append", index=False)
    data = pd.read_sql("SELECT * FROM naive.raw", engine)
    rows = []
    for _, row in data.iterrows():
        if int(row["discharge_disposition_id"]) in contract.EXCLUDED_DISPOSITIONS:
            continue
        record = row.to_dict()
        for name in contract.DIAGNOSES:
            record[f"{name}_chapter"] = chapter(record[name])
        record["split"] = "train" if int(row["patient_nbr"]) % 100 < 70 else "test"
        rows.append(record)
    pd.DataFrame(rows).to_sql("clean", engine, schema="naive", if_exists="replace", index=False)
    return 0
