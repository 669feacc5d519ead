"""What a patient's earlier encounters say, without looking into the future: the one function of training and serving.

`encounter_id` is the only order there is, and not always right: some encounters labelled NO ("never readmitted")
have a "later" one of the same patient. There the ids run backwards, and a model that sees such a row as history
sees the future. Hence the strict rule:

1. an earlier encounter labelled NO is no history of an encounter within the same data: of a patient who came
   again it cannot be true. For an encounter that is newer than the data it is history: the patient is here again,
   so the label has only become out of date;
2. history is blanked where an encounter shows that the ids run backwards: within about half a year of the last
   earlier one (SMALL_GAP), `number_inpatient`, the stays of the year before, is 0 or below that one's.

Visits with a discharge date need neither rule: their time is known. They are history of an encounter if they had
arrived when it was predicted, which is what the API would have seen then, whatever their outcome became later.

Gaps between ids are used for this rule alone, never as a feature: they extrapolate badly forward in time.
Pure but for reading the table's file (`history.pack` writes it); no pandas, because the API imports it. More than 250
lines, because the rule, the visits and the layout of their table are read together.
"""

import math
import struct
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from readmission import files

#: About half a year of encounter ids: 444 million ids in ten years.
SMALL_GAP = 22_000_000

#: What `summarise` returns, in its order.
HISTORY_NAMES = (
    "history_count",
    "history_days_sum",
    "history_days_last",
    "history_medications_last",
    "history_inpatient_last",
    "history_inpatient_max",
    "history_inpatient_change",
    "history_diagnoses_mean",
    "history_disposition_last",
    "history_chapter_last",
    "history_same_chapter",
    "history_same_code",
)
_NAN = math.nan
#: A first visit, or a patient who is not known.
NONE: tuple[float, ...] = (0.0, 0.0, *(_NAN for _ in HISTORY_NAMES[2:]))


class Visit(NamedTuple):
    """Summary of one encounter for later ones; NaN where not known.

    Positional, because every prediction for a patient who was here before builds several.

    Attributes:
        encounter: The encounter_id.
        final: Whether it is labelled NO, never readmitted, and has no discharge date.
        days, medications, inpatient, diagnoses, disposition: Columns of the encounter.
        chapter, code: Chapter and number of the primary diagnosis (`icd9.Code`).
        arrived: When a visit with a discharge date was known, in seconds since 1970. NaN without a date:
            then only encounter_id orders it.
    """

    encounter: float
    final: bool
    days: float
    medications: float
    inpatient: float
    diagnoses: float
    disposition: float
    chapter: float
    code: float
    arrived: float = math.nan


def summarise(
    visits: Sequence[Visit],
    newest: float,
    encounter: float,
    inpatient: float,
    chapter: float,
    code: float,
    at: float = math.inf,
) -> tuple[float, ...]:
    """Return what the visits before an encounter say.

    More than 40 lines, because the rule is told in one place and every answer of the API pays for a further call.

    Args:
        visits: Visits of the patient, by rising encounter. Later ones are ignored.
        newest: Last encounter of the data that the visits come from.
        encounter: The encounter_id. Infinity means newer than the data.
        inpatient: Its number_inpatient, NaN if it is not known.
        chapter: Chapter of its primary diagnosis, NaN if it is not known.
        code: Number of its primary diagnosis, NaN if it is not known.
        at: Moment of the question, in seconds since 1970; visits that arrived later are ignored. Infinity means now.

    Returns:
        Numbers of HISTORY_NAMES, or `NONE` without history.
    """
    within = encounter <= newest
    # A visit that had not arrived is none; `v.arrived > at` is false for visits without a date.
    earlier = [v for v in visits if v.encounter < encounter and not (within and v.final) and not v.arrived > at]
    if not earlier:
        return NONE
    last = earlier[-1]
    dated = last.arrived == last.arrived
    if not dated and encounter - last.encounter < SMALL_GAP and (inpatient == 0 or inpatient < last.inpatient):
        return NONE
    stays = [v.inpatient for v in earlier if v.inpatient == v.inpatient]
    count = len(earlier)
    return (
        float(count),
        sum(v.days for v in earlier),
        last.days,
        last.medications,
        last.inpatient,
        max(stays) if stays else _NAN,
        inpatient - last.inpatient,
        sum(v.diagnoses for v in earlier) / count,
        last.disposition,
        last.chapter,
        _same(chapter, last.chapter),
        _same(code, last.code),
    )


def _same(now: float, then: float) -> float:
    return float(now == then) if now == now and then == then else _NAN


#: A visit in the file: encounter, code, final, then days, medications, inpatient, diagnoses, disposition, chapter.
ROW = struct.Struct("=qd?6B")
HEAD = struct.Struct("=8sQQq")
MAGIC = b"visits 1"
#: A visit with its time of arrival, in a table that has any; software of older versions refuses it.
DATED_ROW = struct.Struct("=qd?6Bd")
DATED_MAGIC = b"visits 2"
_NEWER = np.iinfo(np.int64).max
#: Stands for what is not known among a visit's small numbers.
MISSING_BYTE = 255
#: What each small number means.
_SMALL = (*map(float, range(MISSING_BYTE)), _NAN)


class Visits:
    """Table of visits by patient, in a file that is mapped into memory and shared by processes.

    The file: a head (magic, number of patients, number of visits, newest encounter), the patients in rising
    order as int64, where each one's visits begin as uint32 (and one more, the end), then the visits.

    Args:
        data: Result of `history.pack`.

    Raises:
        ValueError: The data is not such a table.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        try:
            magic, patients, count, self.newest = HEAD.unpack_from(view)
        except struct.error as error:
            raise ValueError("not a table of visits: it is too short") from error
        starts = HEAD.size + 8 * patients
        self._rows = starts + 4 * (patients + 1)
        self._row = DATED_ROW if magic == DATED_MAGIC else ROW
        if magic not in (MAGIC, DATED_MAGIC) or len(view) != self._rows + self._row.size * count:
            raise ValueError("not a table of visits, or not a whole one")
        self._view = view
        self._patients = view[HEAD.size : starts].cast("q")
        self._starts = view[starts : self._rows].cast("I")
        # The encounters of the visits, one a ROW.
        self._encounters = np.ndarray(count, "=i8", data, self._rows, (self._row.size,))
        self.count = count

    @classmethod
    def open(cls, path: Path) -> "Visits":
        """Map a file."""
        return cls(files.map_file(path))

    @property
    def patients(self) -> int:
        """Return how many patients are known."""
        return len(self._patients)

    def patient(self, position: int) -> int:
        """Return the number of one patient, by rising number."""
        return int(self._patients[position])

    def of(self, patient: int) -> list[Visit]:
        """Return a patient's visits by rising encounter; empty if the patient is not known."""
        return self._visits_of(patient, 0)

    def _visits_of(self, patient: int, shift: int) -> list[Visit]:
        position = bisect_left(self._patients, patient)
        if position == len(self._patients) or self._patients[position] != patient:
            return []
        low, high = (self._rows + self._row.size * i for i in self._starts[position : position + 2])
        return [_visit(shift, *row) for row in self._row.iter_unpack(self._view[low:high])]

    def revisits(self, patients: Sequence[Any], encounters: Sequence[Any]) -> npt.NDArray[np.int64]:
        """Return which of many encounters have an earlier one here; what `summarise` says of the others is `NONE`.

        Args:
            patients: Values of patient_nbr, shape (n,). None if a patient is not known.
            encounters: (n,) encounter_id; None or infinity: newer than the data.

        Returns:
            Their positions, rising.
        """
        if not self.count:
            return np.empty(0, np.int64)
        queried = np.array([-1 if patient is None else patient for patient in patients], np.int64)
        now = np.array([_NEWER if e is None or e == math.inf else e for e in encounters], np.int64)
        numbers = np.asarray(self._patients)
        positions = np.searchsorted(numbers, queried).clip(max=len(numbers) - 1)
        first = self._encounters[np.asarray(self._starts)[positions]]
        return np.flatnonzero((numbers[positions] == queried) & (first < now))

    def summarise(
        self,
        patient: int,
        encounter: float | None,
        inpatient: float,
        chapter: float,
        code: float,
        at: float = math.inf,
    ) -> tuple[float, ...]:
        """Return what the visits of a patient before an encounter say; see the function of that name.

        Args:
            patient: The patient_nbr.
            encounter: The encounter_id. None means newer than the data.
            inpatient: Its number_inpatient, NaN if it is not known.
            chapter: Chapter of its primary diagnosis, NaN if it is not known.
            code: Number of its primary diagnosis, NaN if it is not known.
            at: Moment of the question, in seconds since 1970. If infinite, now.
        """
        visits = self.of(patient)
        if not visits:
            return NONE
        now = math.inf if encounter is None else encounter
        return summarise(visits, self.newest, now, inpatient, chapter, code, at)


def _visit(shift: int, encounter: int, code: float, final: bool, *rest: float) -> Visit:
    days, medications, inpatient, diagnoses, disposition, chapter = [_SMALL[int(n)] for n in rest[:6]]
    arrived = rest[6] if len(rest) > 6 else _NAN
    return Visit(encounter - shift, final, days, medications, inpatient, diagnoses, disposition, chapter, code, arrived)
