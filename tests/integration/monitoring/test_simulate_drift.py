"""No false alarm on the real order, and every injected drift found."""

from pathlib import Path

import pytest

from readmission.errors import UserError
from readmission.settings import Settings
from readmission.steps import ingest, process, simulate_drift


@pytest.mark.real
def test_no_false_alarm_on_the_real_order_and_every_injected_drift_found(
    database: Settings, real_source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest.run(database, source=str(real_source), every=True)
    process.run(database)
    capsys.readouterr()
    simulate_drift.run(database, shares="0.25")
    assert capsys.readouterr().out.endswith("0 false alarms; of 3 injected drifts found: 3 at 25%.\n")


def test_a_share_that_is_none_is_a_sentence(database: Settings) -> None:
    with pytest.raises(UserError, match=r"--shares: '2' is not a list such as 1,0.5,0.25,0.1"):
        simulate_drift.run(database, shares="2")
