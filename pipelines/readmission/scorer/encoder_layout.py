"""Layout of the scorer's matrix row, read off a fitted Pipeline's encoder."""

import math
from collections.abc import Sequence

from readmission import contract
from readmission.features.encoding import Feature
from readmission.features.visits import HISTORY_NAMES
from readmission.models import Encoder
from readmission.scorer.layout import Layout, LookupTable
from readmission.scorer.pipeline import to_frame


def _single(features: Sequence[Feature]) -> list[int]:
    return [i for i, feature in enumerate(features) if feature.rule in ("number", "level")]


def row_positions(features: Sequence[Feature]) -> list[int]:
    """Return where each feature of the Pipeline stands in the scorer's row.

    Raises:
        ValueError: A feature follows a rule that the scorer does not have.
    """
    single = _single(features)
    flags = [i for i, feature in enumerate(features) if feature.rule == "icd9_flag"]
    positions = {i: position for position, i in enumerate(single)}
    for i, feature in enumerate(features):
        if feature.rule in ("icd9_number", "icd9_chapter"):
            pair = 2 * contract.DIAGNOSES.index(feature.source)
            positions[i] = len(single) + pair + (feature.rule == "icd9_chapter")
    tail = len(single) + 2 * len(contract.DIAGNOSES)
    past = [i for i, feature in enumerate(features) if feature.rule == "history"]
    positions.update({i: tail + position for position, i in enumerate([*flags, *past])})
    if len(positions) != len(features):
        raise ValueError("the encoder has features of a rule that the scorer does not know")
    return [positions[i] for i in range(len(features))]


def read_layout(encoder: Encoder, *, single: bool) -> Layout:
    """Read the layout off the encoder: each value of each column goes through it once.

    Args:
        encoder: Encoder of the Pipeline.
        single: Whether the model compares float32 numbers rather than float64.
    """
    features = encoder.features
    tables = tuple(_table(encoder, features[i], i) for i in _single(features))
    flags = tuple(feature.position for feature in features if feature.rule == "icd9_flag")
    past = tuple(HISTORY_NAMES.index(feature.source) for feature in features if feature.rule == "history")
    return Layout(tables=tables, flags=flags, single=single, history=past, grain=encoder.grain)


def _table(encoder: Encoder, feature: Feature, position: int) -> LookupTable:
    column = contract.BY_NAME[feature.source]
    keys = column.values()
    index = contract.FEATURE_NAMES.index(feature.source)
    empty: list[str | int | None] = [None] * len(contract.FEATURE_COLUMNS)
    rows = [[*empty[:index], key, *empty[index + 1 :]] for key in (*keys, None)]
    encoded = encoder.transform(to_frame(rows))[:, position].tolist()
    *numbers, absent = (None if math.isnan(x) else x for x in encoded)
    return LookupTable(feature.source, keys, tuple(numbers), absent)
