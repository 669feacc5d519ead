"""The contract applied to a frame of raw text."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

import pandas as pd

from readmission import contract
from readmission.contract import codes, icd
from readmission.contract.kinds import moment


class Reason(TypedDict):
    """Reason why a row was refused: the field, its problem and what is allowed."""

    field: str
    problem: str
    allowed: str


#: Contradictions between the values of one encounter: column -> (test of a frame, what is allowed).
CONTRADICTIONS: dict[str, tuple[Callable[[pd.DataFrame], "pd.Series[bool]"], str]] = {
    "diabetesMed": (
        lambda f: (f["diabetesMed"] == "Yes") != (f[list(codes.DRUGS)] != "No").any(axis=1),
        "'Yes' exactly when one of the drugs is given",
    ),
    "change": (
        lambda f: (
            ((f["change"] == "No") & f[list(codes.DRUGS)].isin(["Up", "Down"]).any(axis=1))
            | ((f["change"] == "Ch") & (f["diabetesMed"] == "No"))
        ),
        "'Ch' only with a diabetes drug, 'No' only when no dose went up or down",
    ),
    "number_diagnoses": (
        lambda f: _number(f["number_diagnoses"]) < (f[list(contract.DIAGNOSES)] != contract.MISSING_TOKEN).sum(axis=1),
        "at least the number of diagnoses that are given",
    ),
    "num_medications": (
        lambda f: _number(f["num_medications"]) < (f[list(codes.DRUGS)] != "No").sum(axis=1),
        "at least the number of diabetes drugs that are given",
    ),
    contract.TARGET: (
        lambda f: (
            f["discharge_disposition_id"].isin(["11", "19", "20", "21"]) & f[contract.TARGET].isin([">30", "<30"])
        ),
        "'NO' or unknown after a death",
    ),
}


def _number(texts: "pd.Series[str]") -> "pd.Series[float]":
    return pd.to_numeric(texts, errors="coerce").fillna(float("inf"))


def problems(frame: pd.DataFrame, system: icd.System = "9cm") -> dict[Any, list[Reason]]:
    """Find the rows that the contract refuses.

    Args:
        frame: Raw text, one row per encounter, with the columns of `contract.COLUMN_NAMES` and, if there are times,
            `contract.TIME_NAMES`.
        system: Declared code system of the diagnoses.

    Returns:
        The reasons of each refused row by its index label, in the order of the columns. Accepted rows are absent.
    """
    reasons: dict[Any, list[Reason]] = {}
    times = [column for column in contract.TIME_COLUMNS if column.name in frame]
    for column in (*contract.COLUMNS, *times):
        texts = frame[column.name]
        wrong = {text: reason for text in texts.unique() if (reason := reason_for(column, text, system))}
        if wrong:
            for label, text in texts[texts.isin(list(wrong))].items():
                reasons.setdefault(label, []).append(wrong[text])
    sound = frame.drop(index=list(reasons))
    for name, (contradicts, allowed) in CONTRADICTIONS.items():
        for label in sound.index[contradicts(sound)]:
            reasons.setdefault(label, []).append(Reason(field=name, problem="contradiction", allowed=allowed))
    if len(times) == len(contract.TIME_COLUMNS):
        reasons |= _time_problems(sound.drop(index=list(reasons), errors="ignore"))
    return reasons


def moments(texts: "pd.Series[str]") -> "pd.Series[Any]":
    """Return the moments of allowed texts, pandas timestamps in UTC; NaT where not known."""
    parsed = {text: moment(text) for text in texts.unique() if text not in ("", contract.MISSING_TOKEN)}
    return pd.to_datetime(texts.map(parsed), utc=True)


def _time_problems(frame: pd.DataFrame) -> dict[Any, list[Reason]]:
    """Find rows that were known before the discharge, or that lie in the future. A day is left for time zones."""
    day = timedelta(days=1)
    discharges, arrivals = (moments(frame[name]) for name in contract.TIME_NAMES)
    tomorrow = datetime.now(UTC) + day
    wrong = {
        "discharged_at": (discharges > tomorrow, "no later than today"),
        "known_at": (
            (arrivals > tomorrow) | (arrivals + day < discharges),
            "no later than today, nor before discharged_at",
        ),
    }
    reasons: dict[Any, list[Reason]] = {}
    for name, (rows, allowed) in wrong.items():
        for label in frame.index[rows]:
            reasons.setdefault(label, []).append(Reason(field=name, problem="contradiction", allowed=allowed))
    return reasons


def reason_for(column: contract.Column, text: str, system: icd.System) -> Reason | None:
    """Return why one text is refused in a column; None if it is allowed."""
    if column.name in contract.DIAGNOSES and text not in ("", contract.MISSING_TOKEN):
        refusal = icd.refusal(text, system)
        return refusal and Reason(
            field=column.name, problem=refusal.problem, allowed=column.or_unknown(refusal.allowed)
        )
    problem = column.problem(text)
    return Reason(field=column.name, problem=problem, allowed=column.allowed) if problem else None
