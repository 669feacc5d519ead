"""The table of ICD-10-CM codes is what the public crosswalk and the written rules give."""

import gzip
from pathlib import Path

import code_round_trip
import codes
import pandas as pd
import pytest

from readmission.contract import icd


def crosswalk(rows: dict[str, list[tuple[str, str]]], **uses: int) -> codes.Crosswalk:
    forward = {code: [codes.Mapping10(icd9=old, flags=flags) for old, flags in pairs] for code, pairs in rows.items()}
    return codes.Crosswalk(billable=tuple(sorted(rows)), forward=forward, backward={}, uses=uses)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("4280", "428"),
        ("0389", "38"),
        ("25000", "250"),
        ("25060", "250.6"),
        ("25062", "250.62"),
        ("V4581", "V45"),
        ("E8781", "E878"),
        ("0088", "8"),
    ],
)
def test_codes_are_written_as_the_data_writes_them(code: str, expected: str) -> None:
    assert codes.at_grain(code) == expected


@pytest.mark.parametrize(
    ("rows", "entry"),
    [
        ([("4280", "10000"), ("4289", "10000")], ("428", "100", "s")),
        ([("NoDx", "11000")], ("", "110", "U")),
        ([("99529", "10111"), ("E9410", "10112")], ("995", "101", "c")),
        ([("4294", "10000"), ("9971", "10111"), ("4294", "10112")], ("429", "100", "s")),
        ([("24940", "10000"), ("25040", "10000")], ("250.4", "100", "s")),
        ([("49120", "10000"), ("496", "10000")], ("496", "100", "g")),
        ([("41400", "10000"), ("4292", "10000")], ("414", "100", "m")),
        ([("7011", "10000"), ("6908", "10000")], ("690", "100", "g")),
        ([("78701", "10000"), ("5363", "10000")], ("", "100", "A")),
    ],
)
def test_one_rule_decides_each_code(rows: list[tuple[str, str]], entry: tuple[str, str, str]) -> None:
    table = crosswalk({"X10": rows}, **{"496": 9, "491": 3, "414": 90, "429": 9, "787": 60, "536": 40})
    assert codes.decide("X10", table) == entry


def test_a_code_newer_than_the_crosswalk_takes_that_of_its_relatives() -> None:
    table = crosswalk(
        {"E10339": [("25051", "10000")], "S99001A": [("82525", "10000")], "S99001D": [("V5419", "10000")]}
    )
    newer = codes.Crosswalk(billable=("E103391", "S99002D", "U071"), forward=table.forward, backward={}, uses={})
    assert codes.build(newer) == {"E103391": ("250.51", "", "n"), "S99002D": ("V54", "", "n"), "U071": ("", "", "U")}


def test_codes_go_to_icd10_and_back() -> None:
    texts = ["428", "250.8", "999", None]
    frame = pd.DataFrame({name: pd.Series(texts, dtype="str") for name in ("diag_1", "diag_2", "diag_3")})
    ways = {"4280": ["I509"], "25080": ["E11649", "E11649"], "99999": ["U071"]}
    returned, unknown = code_round_trip.there_and_back(frame, ways, codes.at_grain)
    assert returned["diag_2"].fillna("?").tolist() == ["428", "250.8", "?", "?"]
    assert unknown == pytest.approx(1 / 3)


@pytest.mark.real
def test_the_packaged_table_is_what_the_crosswalk_gives(real_source: Path) -> None:
    table = codes.build(codes.read_crosswalk(codes.count_uses(str(real_source))))
    assert gzip.decompress(codes.PACKAGED.read_bytes()).decode() == codes.text(table)
    assert codes.report(table).startswith("74,044 billable codes of ICD-10-CM, 72,955 (98.5%) have a code:")
    assert codes.PACKAGED.name == icd.TABLE


def test_the_cost_of_translation_is_measured_on_a_file_of_the_data_set(sample: Path) -> None:
    sentence = code_round_trip.measure(str(sample), {"4280": ["I509"], "4019": ["I10"]}, codes.at_grain)
    assert "ROC-AUC" in sentence and "after 9 -> 10 -> 9, difference" in sentence
