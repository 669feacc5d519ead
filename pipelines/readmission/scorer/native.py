"""Evaluate trees by LightGBM's C library alone: importing the Python package would bring pandas and sklearn.

The calls and constants are those of LightGBM's public C API (include/LightGBM/c_api.h).
"""

import ctypes
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from readmission.scorer.manifest import ArtifactError
from readmission.scorer.recipe import Matrix

_FLOAT32, _FLOAT64 = 0, 1
_RAW, _CONTRIBUTIONS = 1, 3
_ROW_MAJOR = 1


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    spec = find_spec("lightgbm")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "lib" / "lib_lightgbm.so"
        if path.is_file():
            library = ctypes.CDLL(str(path))
            library.LGBM_GetLastError.restype = ctypes.c_char_p
            return library
    raise ArtifactError("the lightgbm package is not installed: its library evaluates the trees")


def _check(status: int) -> None:
    if status != 0:
        raise ArtifactError("LightGBM: " + _library().LGBM_GetLastError().decode(errors="replace"))


def split(model: bytes, outputs: int, kept: Sequence[int], count: int) -> list[bytes]:
    """Split the trees of some of a model's outputs into models of these outputs, which add up to them.

    Args:
        model: Model as `trees.text_model` writes it: the outputs' trees in turn.
        outputs: Number of outputs of the model.
        kept: Positions of the outputs to keep.
        count: Number of models to return, no more than there are trees of an output.
    """
    head, *blocks = model.partition(b"\nend of trees")[0].split(b"\nTree=")
    head = re.sub(rb"(?m)^(num_class|num_tree_per_iteration)=.*$", rb"\1=%d" % len(kept), head)
    trees = [block.partition(b"\n")[2] for block in blocks]
    rounds = [[trees[start + k] for k in kept] for start in range(0, len(trees), outputs)]
    parts = [[tree for trees in rounds[i::count] for tree in trees] for i in range(min(count, len(rounds)))]
    return [
        head + b"".join(b"\nTree=%d\n%b" % numbered for numbered in enumerate(part)) + b"\nend of trees\n"
        for part in parts
    ]


class Trees:
    """One set of trees. `predict` is for one thread, since it has one buffer; the rest is for any.

    Args:
        model: LightGBM's text format.
        width: Number of columns of a row.
        outputs: Number of raw scores of a row.
        single: Whether rows are float32 rather than float64.
    """

    def __init__(self, model: bytes, *, width: int, outputs: int, single: bool) -> None:
        library = _library()
        self._outputs, self._width = outputs, width
        self._dtype = _FLOAT32 if single else _FLOAT64
        self._type: type[np.floating[Any]] = np.float32 if single else np.float64
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        _check(
            library.LGBM_BoosterLoadModelFromString(
                ctypes.c_char_p(model), ctypes.byref(iterations), ctypes.byref(self._handle)
            )
        )
        self.buffer = bytearray(width * (4 if single else 8))
        self._data = (ctypes.c_char * len(self.buffer)).from_buffer(self.buffer)
        self._fast = ctypes.c_void_p()
        _check(
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._handle,
                ctypes.c_int(_RAW),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                ctypes.c_int(self._dtype),
                ctypes.c_int32(width),
                ctypes.c_char_p(b"num_threads=1"),
                ctypes.byref(self._fast),
            )
        )
        #: The raw scores of the last `predict`.
        self.scores = (ctypes.c_double * outputs)()
        length = ctypes.c_int64()
        self._predict = library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (self._fast, self._data, ctypes.byref(length), self.scores)

    def predict(self) -> None:
        """Evaluate the row in `buffer`; the result is in `scores`."""
        if self._predict(*self._arguments):
            _check(-1)

    def predict_many(self, rows: npt.NDArray[Any]) -> Matrix:
        """Return the raw scores of rows, a row each."""
        return self._matrix(rows, _RAW, self._outputs)

    def contributions(self, row: bytes) -> Matrix:
        """Return TreeSHAP of one row: a row an output, with each column's share, then the base."""
        numbers = np.frombuffer(row, self._type).reshape(1, -1)
        contributions = self._matrix(numbers, _CONTRIBUTIONS, self._outputs * (self._width + 1))
        return contributions.reshape(self._outputs, self._width + 1)

    def _matrix(self, rows: npt.NDArray[Any], kind: int, per_row: int) -> Matrix:
        numbers = np.ascontiguousarray(rows, self._type)
        scores = np.empty((len(numbers), per_row))
        length = ctypes.c_int64()
        _check(
            _library().LGBM_BoosterPredictForMat(
                self._handle,
                ctypes.c_void_p(numbers.ctypes.data),
                ctypes.c_int(self._dtype),
                ctypes.c_int32(len(numbers)),
                ctypes.c_int32(self._width),
                ctypes.c_int(_ROW_MAJOR),
                ctypes.c_int(kind),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                ctypes.c_char_p(b"num_threads=1"),
                ctypes.byref(length),
                ctypes.c_void_p(scores.ctypes.data),
            )
        )
        return scores

    def __del__(self) -> None:
        # Interpreter shutdown may have taken the library away already.
        library = _library() if _library is not None else None
        if library is not None and getattr(self, "_fast", None):
            library.LGBM_FastConfigFree(self._fast)
        if library is not None and getattr(self, "_handle", None):
            library.LGBM_BoosterFree(self._handle)
