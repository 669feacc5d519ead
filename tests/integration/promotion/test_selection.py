"""An approval is bound to a candidate: what was judged is promoted, and nothing that was trained meanwhile."""

import getpass
from pathlib import Path

import pandas as pd
import pytest

from readmission.errors import RefusalError, UserError
from readmission.privacy import accesses
from readmission.registry import lineage
from readmission.registry.aliases import RECORD, find_alias, find_champion
from readmission.settings import Settings
from readmission.steps import ingest, judge, process, promote, rollback, score, train
from readmission.stores import postgres


def decided(settings: Settings) -> list[tuple[str, str]]:
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute("SELECT decision, run_id FROM training.promotions ORDER BY id")
        return cursor.fetchall()


def scored(settings: Settings) -> list[tuple[int]]:
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("SELECT DISTINCT batch_id FROM serving.scores JOIN clean.encounters USING (encounter_id)")
        return sorted(cursor.fetchall())


def check_access_log(settings: Settings, sample: Path) -> None:
    """Score a file, and read who had its patients scored; scorings of CLEAN are those of a patient's batch."""
    rows = pd.read_csv(sample, dtype=str, keep_default_na=False, skiprows=1)[:20]
    rows.to_csv(settings.home / "ward.csv", index=False)
    assert score.run(settings, file=settings.home / "ward.csv", out=settings.home / "scored.csv") == 20
    patient, user = int(rows["patient_nbr"][0]), getpass.getuser()
    entries = accesses.read_accesses(settings, patient)
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(
            "SELECT DISTINCT batch_id FROM clean.encounters WHERE patient_nbr = %(patient)s", {"patient": patient}
        )
        own = [batch for (batch,) in cursor.fetchall()]
    # Batch 1 was scored alone by Grace, batch 2 by whoever runs this.
    expected = [("score", {1: "Grace", 2: user}[batch]) for batch in sorted(own)] + [("score --file", user)]
    assert own and [(entry.route, entry.client) for entry in entries] == expected
    assert {entry.model for entry in entries} == {f"{settings.mlflow.model_name} 1"}
    assert [access.client for access in accesses.read_accesses(settings, patient + 10**9)] == []


def check_custody(settings: Settings, artifacts: Path, run_id: str) -> None:
    """Change the Pipelines of the champion, then its signature: nothing is scored with any of them."""
    served, judged = (path for path in artifacts.rglob("MLmodel") if f"run_id: {run_id}" in path.read_text())
    (signature,) = artifacts.rglob(f"{run_id}/artifacts/serving/signature.json")
    other = "Pipeline is not the one that was signed"
    for file, reason in ((served, other), (judged, other), (signature, "signature of the model")):
        content = file.read_text()
        file.write_text(content.replace(run_id, "0" * 32))
        with pytest.raises(UserError, match=reason):
            score.run(settings, batch=1)
        file.write_text(content)
    assert score.run(settings, batch=1) != []


def check_scoring(settings: Settings, sample: Path, artifacts: Path, run_id: str) -> None:
    check_access_log(settings, sample)
    check_custody(settings, artifacts, run_id)


def test_the_judged_candidate_is_promoted_and_no_later_one(
    system: Settings,
    postgres_server: Settings,
    sample: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert score.run(system, new=True) == []
    run_id = train.run(system, families="decision_tree")["decision_tree"]
    proposal = judge.run(system)
    assert isinstance(proposal, dict) and proposal["run_id"] == run_id
    assert "**decision_tree** of batches 1-1 is the first champion." in capsys.readouterr().out
    assert find_champion(system) is None and decided(system) == []

    # A person thinks; meanwhile a batch comes in and a better family is trained on it.
    ingest.run(system, batch=2)
    process.run(system)
    other = train.run(system, families="lightgbm")["lightgbm"]
    assert promote.run(system, run_id=run_id, by="Ada") == "1"
    assert decided(system) == [("promoted", run_id)] and find_alias(system, RECORD) == "1"
    # The same again, as a retry would do, changes nothing.
    assert promote.run(system, run_id=run_id) == "1"

    # What the champion has not scored is scored before it is replaced, once.
    assert score.run(system, batch=1, by="Grace") != [] and scored(system) == [(1,)]
    assert score.run(system, new=True) != [] and scored(system) == [(1,), (2,)]
    assert score.run(system, new=True) == []
    check_scoring(system, sample, postgres_server.home / "mlflow-artifacts", run_id)

    proposal = judge.run(system)
    assert isinstance(proposal, dict) and proposal["run_id"] == other and "replaces version 1" in proposal["text"]
    assert promote.run(system, run_id=proposal["run_id"]) == "2"
    assert judge.run(system) == []
    # Who was rolled back from holds no record.
    assert rollback.run(system) == "1" and find_alias(system, RECORD) == "1"
    with pytest.raises(RefusalError, match="no model was trained in run nowhere"):
        promote.run(system, run_id="nowhere")
    monkeypatch.setattr(lineage, "code_version", lambda: "0.2.0+other")
    with pytest.raises(RefusalError, match="by other code or libraries"):
        promote.run(system, run_id=run_id)
