"""The synthetic sample obeys the contract and never changes: state folders and tests hold its bytes."""

import hashlib
import io

import pandas as pd

from readmission.contract import validation
from readmission.data import synthetic


def test_the_sample_is_the_same_bytes_as_ever() -> None:
    digest = hashlib.sha256(synthetic.generate(3000, 7)).hexdigest()
    assert digest == "d128996d9312c016a344149eef5fb99fa27c9ab72b7b6b389ce689ffd2d3365d"


def test_the_contract_accepts_every_row() -> None:
    content = synthetic.generate(300, seed=11)
    assert content.startswith(b"# synthetic")
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, skiprows=1)
    assert len(frame) == 300
    assert validation.problems(frame) == {}
