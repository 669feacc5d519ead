"""What a model card says a model was made from."""

from readmission.promotion import candidates
from readmission.registry.runs import TrainedModel

MODEL = TrainedModel(
    run_id="r1",
    family="lightgbm",
    first_batch=1,
    last_batch=7,
    data_sha256="d1",
    synthetic=False,
    icd="9cm",
    seed=7,
    code="0.1.0+1a2b3c4d",
    packages=None,
    revision=None,
    image="",
    metrics={},
)


def test_what_a_training_did_not_record_is_said_to_be_unknown() -> None:
    lineage = candidates._lineage(MODEL)
    assert lineage["batches"] == "1-7" and lineage["code"] == "0.1.0+1a2b3c4d"
    assert lineage["packages"] == "not recorded" and lineage["commit"] == "not known"
    assert lineage["image"] == "none, a checkout"
