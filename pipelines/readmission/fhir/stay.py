"""Patient and Encounter as columns: who the patient is, how the stay began and ended, earlier visits."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from readmission.contract import EXCLUDED_DISPOSITIONS
from readmission.fhir import codes
from readmission.fhir.draft import Draft
from readmission.fhir.elements import Concept, Encounter, Extension

#: Days before the admission in which earlier visits count.
YEAR = 365
_LONGEST = 14
_NOT_VISITS = frozenset({"planned", "cancelled", "entered-in-error", "arrived", "triaged"})


def map_patient(draft: Draft) -> None:
    """Set race, gender and age."""
    patient = draft.patient
    draft.use(patient)
    race, hispanic = _omb(patient.extension, codes.US_CORE_RACE), _omb(patient.extension, codes.US_CORE_ETHNICITY)
    races = {codes.RACES[code] for code in race if code in codes.RACES}
    if codes.HISPANIC in hispanic:
        draft.put("race", "Hispanic", "derived", "US Core ethnicity; the data set counts Hispanic as a race")
    elif len(races) > 1:
        draft.put("race", "Other", "derived", "several US Core race categories")
    else:
        draft.put("race", next(iter(races), None), "sent")
    if patient.gender in codes.GENDERS:
        draft.put("gender", codes.GENDERS[patient.gender], "sent")
    else:
        allowed = ", ".join(codes.GENDERS)
        draft.wrong("value" if patient.gender else "required", "Patient.gender", f"one of {allowed}")
    _map_age(draft)


def _map_age(draft: Draft) -> None:
    born = draft.day(draft.patient.birth_date, "Patient.birthDate")
    if born is None:
        if not draft.patient.birth_date:
            draft.wrong("required", "Patient.birthDate", "a date such as 1950-07-31")
        return
    before_birthday = (draft.begin.month, draft.begin.day) < (born.month, born.day)
    age = draft.begin.year - born.year - before_birthday
    if not 0 <= age <= 130:
        draft.wrong("conflict", "Patient.birthDate", "before the admission, by at most 130 years")
        return
    low = min(age // 10 * 10, 90)
    if age >= 100:
        draft.put("age", f"[{low}-{low + 10})", "assumed", "100 years or older counts as the oldest group of the data")
    elif len(draft.patient.birth_date) < 10:
        draft.put("age", f"[{low}-{low + 10})", "assumed", "birthDate without a day counts as the first of its period")
    else:
        draft.put("age", f"[{low}-{low + 10})", "derived", "years from birthDate to the admission")


def _omb(extensions: tuple[Extension, ...], url: str) -> list[str]:
    """Return the codes of US Core's race or ethnicity categories."""
    return [
        part.value_coding.code
        for extension in extensions
        if extension.url == url
        for part in extension.extension
        if part.url == "ombCategory" and part.value_coding is not None
    ]


def map_stay(draft: Draft) -> None:
    """Set length, priority, source, disposition and specialty of the stay."""
    stay = draft.stay
    draft.use(stay)
    if stay.kind.code not in codes.STAYS:
        allowed = ", ".join(sorted(codes.STAYS))
        draft.wrong("business-rule", "Encounter.class", f"an inpatient stay ({allowed}): the model knows no other")
    _map_length(draft)
    admission, discharge = stay.hospitalization.admit_source, stay.hospitalization.discharge_disposition
    _look_up(draft, "admission_type_id", stay.priority, codes.TYPES)
    _look_up(draft, "admission_source_id", admission, codes.SOURCES)
    _look_up(draft, "discharge_disposition_id", discharge, codes.DISPOSITIONS)
    _look_up(draft, "medical_specialty", stay.service_type, codes.SPECIALTIES)
    draft.put("payer_code", None, "missing", "the data set does not define its codes, so none is guessed")
    _check_death(draft)


def _map_length(draft: Draft) -> None:
    days = (draft.end - draft.begin).days
    if days > _LONGEST:
        where = "Encounter.period"
        draft.wrong("business-rule", where, f"a stay of 1 to {_LONGEST} days: the model knows no longer ones")
    elif not draft.stay.period.end:
        draft.put("time_in_hospital", max(days, 1), "assumed", "the stay has no end yet: days up to today")
    elif days < 1:
        draft.put("time_in_hospital", 1, "assumed", "admitted and discharged on one day counts as 1")
    else:
        draft.put("time_in_hospital", days, "derived", "days from admission to discharge")


def _look_up(draft: Draft, column: str, concept: Concept, table: Mapping[str, Mapping[str, str | int]]) -> None:
    """Set a column from the codings of a concept; two codings that disagree are refused."""
    values = {value for coding in concept.coding if (value := table.get(coding.system, {}).get(coding.code))}
    if len(values) > 1:
        draft.wrong("conflict", _ELEMENTS[column], "several codings that mean different things")
    elif values:
        draft.put(column, values.pop(), "sent")
    else:
        unknown = "a code that the mapping does not know" if concept.coding or concept.text else ""
        draft.put(column, None, "missing", unknown)


_ELEMENTS = {
    "admission_type_id": "Encounter.priority",
    "admission_source_id": "Encounter.hospitalization.admitSource",
    "discharge_disposition_id": "Encounter.hospitalization.dischargeDisposition",
    "medical_specialty": "Encounter.serviceType",
}


def _check_death(draft: Draft) -> None:
    disposition = draft.values.get("discharge_disposition_id")
    where = _ELEMENTS["discharge_disposition_id"]
    if disposition in EXCLUDED_DISPOSITIONS:
        draft.wrong("business-rule", where, "a discharge after which a readmission is possible: not death or hospice")
        return
    died = draft.day(draft.patient.deceased_date_time, "Patient.deceasedDateTime")
    if draft.patient.deceased_boolean or (died is not None and died <= draft.end):
        if disposition is not None:
            draft.wrong("conflict", "Patient.deceased[x]", f"the patient has died, but {where} says otherwise")
        else:
            draft.wrong("business-rule", "Patient.deceased[x]", "a living patient")


def map_visits(draft: Draft) -> None:
    """Count the visits of the year before the admission: outpatient, emergency, inpatient."""
    counts = dict.fromkeys(("number_outpatient", "number_emergency", "number_inpatient"), 0)
    others = [encounter for encounter in draft.resources.of(Encounter) if encounter is not draft.stay]
    if not others and "visits" not in draft.resources.complete:
        for column in counts:
            draft.put(column, None, "missing", "no earlier encounters were sent")
        return
    undated = 0
    for encounter, begin, end in _earlier(draft, others):
        if begin is None:
            undated += 1
        # The visit that led to this admission is part of it.
        elif draft.begin - timedelta(days=YEAR) <= begin < draft.begin and (end is None or end < draft.begin):
            counts[codes.VISITS[encounter.kind.code]] += 1
            draft.use(encounter)
    how = f"encounters of the {YEAR} days before the admission"
    for column, number in counts.items():
        draft.count(column, number, f"{how}, without {undated} that have no date" if undated else how)


def _earlier(draft: Draft, others: list[Encounter]) -> Iterator[tuple[Encounter, date | None, date | None]]:
    for encounter in others:
        is_part = encounter.part_of.reference and draft.resources.are_same(encounter.part_of, draft.stay)
        leads_here = draft.stay.part_of.reference and draft.resources.are_same(draft.stay.part_of, encounter)
        if encounter.status in _NOT_VISITS or encounter.kind.code not in codes.VISITS or is_part or leads_here:
            continue
        begin = draft.day(encounter.period.start, "Encounter.period.start")
        yield encounter, begin, draft.day(encounter.period.end, "Encounter.period.end") or begin
