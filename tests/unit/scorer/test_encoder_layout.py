"""The scorer's row is read off the encoder: every feature has its own position, every value its number."""

from readmission import contract
from readmission.models import Encoder
from readmission.scorer.encoder_layout import read_layout, row_positions
from readmission.scorer.pipeline import to_frame


def test_every_feature_has_a_position_of_its_own() -> None:
    features = Encoder().features
    assert sorted(row_positions(features)) == list(range(len(features)))


def test_a_table_holds_the_number_of_every_value_and_of_unknown() -> None:
    encoder = Encoder()
    layout = read_layout(encoder, single=False)
    assert layout.width == len(encoder.features)
    [gender] = [table for table in layout.tables if table.source == "gender"]
    position = next(i for i, feature in enumerate(encoder.features) if feature.source == "gender")
    empty = dict.fromkeys(contract.FEATURE_NAMES)
    rows = [tuple({**empty, "gender": key}.values()) for key in gender.keys]
    assert encoder.transform(to_frame(rows))[:, position].tolist() == list(gender.numbers)
