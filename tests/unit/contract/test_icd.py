"""Code systems are declared: every billable ICD-10-CM code has one ICD-9-CM code or is refused by name."""

import re

import pytest

from readmission.contract import icd
from readmission.contract.kinds import ICD9_PATTERN
from readmission.features import icd9

GOLDEN = {
    "E11.9": "250",
    "E11.65": "250.8",
    "E10.9": "250.01",
    "E10.10": "250.11",
    "E11.22": "250.4",
    "E11.42": "250.6",
    "E11.51": "250.7",
    "I50.9": "428",
    "I10": "401",
    "I25.10": "414",
    "I21.4": "410",
    "I48.91": "427",
    "I63.9": "434",
    "J18.9": "486",
    "J44.9": "496",
    "N17.9": "584",
    "N18.6": "585",
    "A41.9": "38",
    "E87.8": "276",
    "D64.9": "285",
    "K92.2": "578",
    "R07.9": "786",
    "W19.XXXA": "E888",
    "Z51.11": "V58",
    "Z95.1": "V45",
    "F32.9": "296",
}


@pytest.mark.parametrize(("code", "expected"), GOLDEN.items(), ids=GOLDEN)
def test_golden_pairs(code: str, expected: str) -> None:
    assert icd.to_icd9(code, "10cm") == expected
    assert icd.to_icd9(code.replace(".", ""), "10cm") == expected


def test_every_billable_code_has_one_code_at_the_grain_of_the_data_or_is_refused_by_name() -> None:
    lines = icd.table().decode().splitlines()
    assert len(lines) == 74_044
    codes = [line[:7].strip() for line in lines]
    assert codes == sorted(set(codes))
    refused: dict[str, int] = {}
    for code in codes:
        entry = icd.look_up(code)
        assert entry and entry.rule in icd.RULES
        refusal = icd.refusal(code, "10cm")
        if refusal:
            assert not entry.icd9 and icd.RULES[entry.rule].startswith("refused") and code not in refusal.allowed
            refused[refusal.problem] = refused.get(refusal.problem, 0) + 1
            continue
        code9 = icd.to_icd9(code, "10cm")
        assert re.fullmatch(r"250(\.[0-9]{1,2})?|[1-9][0-9]{0,2}|V[0-9]{2}|E[89][0-9]{2}", code9)
        assert re.fullmatch(ICD9_PATTERN, code9) and icd9.parse(code9).number >= 0
    assert refused == {"unmapped": 986, "ambiguous": 103}


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("cancer", "pattern"),
        ("i50.9", "pattern"),
        ("", "pattern"),
        ("I50.9\n", "pattern"),
        ("I5.09", "pattern"),
        ("428", "pattern"),
        ("I50", "unlisted"),
        ("I50.99", "unlisted"),
        ("U07.1", "unmapped"),
        ("R40.2252", "unmapped"),
        ("K52.89", "ambiguous"),
    ],
)
def test_a_code_without_an_equivalent_is_refused_by_name(code: str, problem: str) -> None:
    refusal = icd.refusal(code, "10cm")
    assert refusal and refusal.problem == problem
    with pytest.raises(icd.RefusedCodeError, match=problem):
        icd.to_icd9(code, "10cm")


@pytest.mark.parametrize("code", ["E119", "E785", "E039", "E799", "E119.1", "I50.9", "4280", "V270"])
def test_a_code_of_the_other_system_is_no_icd9_code(code: str) -> None:
    refusal = icd.refusal(code, "9cm")
    assert refusal and refusal.problem == "pattern"


def test_below_e800_no_billable_code_without_its_dot_reads_as_an_external_cause() -> None:
    codes = [line[:7].strip() for line in icd.table().decode().splitlines()]
    mistakable = {code for code in codes if re.fullmatch(r"E[0-9]{3}", code)}
    told_apart = {code for code in mistakable if icd.refusal(code, "9cm")}
    assert len(mistakable) == 245 and mistakable - told_apart == {c for c in mistakable if c >= "E800"}


def test_the_declaration_decides_what_a_code_means() -> None:
    assert icd.to_icd9("E878", "9cm") == "E878"
    assert icd.to_icd9("E878", "10cm") == "276"
    assert icd.to_icd9("V27", "9cm") == "V27"
    assert icd.refusal("V27", "10cm") == ("unlisted", icd.refusal("I50", "10cm")[1])  # type: ignore[index]


def test_an_icd9_code_keeps_its_digits() -> None:
    assert [icd.to_icd9(code, "9cm") for code in ("428.0", "250.60", "038", "V45.81")] == [
        "428.0",
        "250.60",
        "038",
        "V45.81",
    ]


def test_fhir_names_both_systems() -> None:
    assert set(icd.SYSTEM_URIS.values()) == set(icd.SYSTEMS)
