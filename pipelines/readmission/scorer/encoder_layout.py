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
    tables = _tables(encoder, [(i, features[i].source) for i in _single(features)])
    flags = tuple(feature.position for feature in features if feature.rule == "icd9_flag")
    past = tuple(HISTORY_NAMES.index(feature.source) for feature in features if feature.rule == "history")
    return Layout(tables=tables, flags=flags, single=single, history=past, grain=encoder.grain)


def _tables(encoder: Encoder, columns: Sequence[tuple[int, str]]) -> tuple[LookupTable, ...]:
    """Return the tables of some features, by position and raw column; all their values are encoded at once."""
    stated: list[tuple[str, str | int | None]] = []
    for _, source in columns:
        stated += [(source, key) for key in (*contract.BY_NAME[source].values(), None)]
    rows = [tuple(key if name == source else None for name in contract.FEATURE_NAMES) for source, key in stated]
    encoded, tables, start = encoder.transform(to_frame(rows)), [], 0
    for position, source in columns:
        keys = contract.BY_NAME[source].values()
        end = start + len(keys)
        *numbers, absent = (None if math.isnan(x) else x for x in encoded[start : end + 1, position].tolist())
        tables.append(LookupTable(source, keys, tuple(numbers), absent))
        start = end + 1
    return tuple(tables)
