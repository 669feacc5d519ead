"""Profiles, limits and payloads: what decides a load test."""

import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import limits, payloads, profiles, report
from loadtest.limits import Moment, Summary
from loadtest.profiles import Limits
from readmission import contract
from readmission.data import synthetic
from readmission.errors import UserError

SUMMARY = Summary(
    requests=1000,
    failures=0,
    requests_per_second=100.0,
    p50_ms=2.0,
    p95_ms=20.0,
    p99_ms=40.0,
    worst_ms=60.0,
    users=100,
)


def moment(second: float = 10, **values: float) -> Moment:
    usual = {"users": 100, "requests_per_second": 50.0, "failures_per_second": 0.0, "p50_ms": 2.0, "p95_ms": 9.0}
    return Moment(**{"second": second, "p99_ms": 20.0, **usual, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", profiles.names())
def test_every_profile_can_be_read_and_ends(name: str) -> None:
    profile = profiles.read_profile(name)
    assert profile.at(0) == profile.stages[0]
    assert profile.at(profile.seconds - 0.01) == profile.stages[-1]
    assert profile.at(profile.seconds) is None
    assert any(getattr(profile.mix, kind) for kind in profile.mix.__struct_fields__)
    assert any(limit is not None for limit in msgspec.structs.astuple(profile.limits)), "it decides nothing"


def test_the_promised_profiles_are_there() -> None:
    assert set(profiles.names()) >= {"smoke", "course", "stairs", "spike", "soak", "ten-thousand"}


def test_wrong_profile_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no load profile 'nope'"):
        profiles.read_profile("nope")
    wrong = tmp_path / "mine.toml"
    wrong.write_text('description = "x"\nusers = 3\n')
    with pytest.raises(UserError, match=r"mine\.toml is not a load profile"):
        profiles.read_profile(str(wrong))


@pytest.mark.parametrize(
    ("field", "limit", "sentence"),
    [
        ("p95_ms", 19.0, "p95 of 20 ms is above 19 ms"),
        ("p99_ms", 39.0, "p99 of 40 ms is above 39 ms"),
        ("requests_per_second", 101.0, "100.0 requests a second are fewer than 101.0"),
        ("users", 101, "100 users carried are fewer than 101"),
    ],
)
def test_each_limit_breaks_with_its_sentence_and_holds_at_its_value(field: str, limit: float, sentence: str) -> None:
    measured = getattr(SUMMARY, field)
    assert limits.breaches(Limits(**{field: limit}), SUMMARY, []) == [sentence]  # type: ignore[arg-type]
    assert limits.breaches(Limits(**{field: measured}), SUMMARY, []) == []


def test_one_failure_breaks_a_limit_of_none() -> None:
    failed = msgspec.structs.replace(SUMMARY, failures=1)
    assert limits.breaches(Limits(error_ratio=0.0), SUMMARY, []) == []
    assert limits.breaches(Limits(error_ratio=0.0), failed, []) == ["a share of 0.10% failed requests is above 0.00%"]


def test_a_run_without_an_answer_never_passes() -> None:
    assert limits.breaches(Limits(), msgspec.structs.replace(SUMMARY, requests=0), []) == [
        "no request was answered at all"
    ]


def test_memory_is_judged_from_the_first_minute_on() -> None:
    moments = [moment(s, api_memory_mb=mb) for s, mb in ((10, 100.0), (60, 200.0), (90, 230.0))]
    assert limits.memory_growth(moments) == 30
    assert len(limits.breaches(Limits(memory_growth_mb=29), SUMMARY, moments)) == 1
    assert limits.breaches(Limits(memory_growth_mb=29), SUMMARY, [moment()]) == [], "nothing seen, nothing judged"


def test_carried_users_are_those_of_moments_within_the_limits() -> None:
    moments = [moment(users=100), moment(users=200), moment(users=400, p95_ms=600.0)]
    assert limits.carried(Limits(p95_ms=500), moments) == 200


def in_contract(record: payloads.Record) -> bool:
    required = {column.name for column in contract.FEATURE_COLUMNS if column.required}
    return required <= set(record) and all(
        contract.BY_NAME[name].problem(str(value)) is None for name, value in record.items()
    )


@given(st.integers(0, 10_000))
def test_drawn_encounters_are_of_the_contract(seed: int) -> None:
    assert all(in_contract(record) for record in payloads.encounters(20, seed))


def test_encounters_of_a_file_are_of_the_contract(tmp_path: Path) -> None:
    csv, archive = tmp_path / "rows.csv", tmp_path / "rows.zip"
    csv.write_bytes(synthetic.generate(200, 3))
    with zipfile.ZipFile(archive, "w") as out:
        out.write(csv, "dataset_diabetes/diabetic_data.csv")
    drawn = payloads.encounters(50, 1, csv)
    assert drawn == payloads.encounters(50, 1, archive)
    assert all(in_contract(record) for record in drawn)
    assert not any(name in record for record in drawn for name in contract.IDENTIFIERS)


@pytest.mark.parametrize("way", range(4))
def test_bad_requests_are_bad(way: int) -> None:
    record = payloads.encounters(1, 5)[0]
    broken = msgspec.json.decode(payloads.invalid(record, way))
    unknown = [name for name in broken if name not in contract.BY_NAME]
    assert unknown or not in_contract(broken)


def test_report_holds_the_run(tmp_path: Path) -> None:
    report.write(tmp_path, "smoke", profiles.read_profile("smoke"), SUMMARY, [moment(1), moment(2)], ["a breach"])
    content = msgspec.json.decode((tmp_path / "summary.json").read_bytes())
    assert content["breaches"] == ["a breach"]
    assert content["summary"]["requests"] == 1000
    assert len((tmp_path / "moments.csv").read_text().splitlines()) == 3
    assert (tmp_path / "moments.svg").read_text().startswith("<?xml")
