"""A card says whose figures it states."""

import msgspec

from readmission.contract.risk import OperatingPoint
from readmission.evaluation import refits
from readmission.evaluation.metrics import Interval
from readmission.evaluation.refits import QUALITY, RefitRecord

RECORD = RefitRecord(
    uri="models:/m-1",
    data_sha256="d" * 64,
    encounters=99_343,
    patients=69_990,
    quality={name: Interval(0.684, 0.679, 0.69) for name in QUALITY},
    points=(OperatingPoint(rule="alert 10%", threshold=0.345, alerts=0.1, recall=0.25, precision=0.3),),
    bands=(),
)


def test_the_judged_model_and_what_serves_are_told_apart() -> None:
    text = refits.markdown(RECORD)
    assert "all 99,343 encounters of 69,990 patients" in text and "`dddddddddddd`" in text
    assert "ROC-AUC, readmission within 30 days 0.6840 [0.6790, 0.6900]" in text
    assert "calibration error of any readmission on the newest 5,000 0.6840 [0.6790, 0.6900]" in text
    assert text.count("**") == 4 and "Later candidates are compared with the judged model." in text


def test_a_record_of_before_lacks_the_newest_encounters() -> None:
    quality = {name: figure for name, figure in RECORD.quality.items() if name != "recent_ece_any"}
    text = refits.markdown(msgspec.structs.replace(RECORD, quality=quality))
    assert "calibration error (ECE) 0.6840" in text and "newest" not in text


def test_a_model_that_serves_as_it_was_judged_says_so() -> None:
    assert "its own" in refits.markdown(None) and "**" not in refits.markdown(None)
