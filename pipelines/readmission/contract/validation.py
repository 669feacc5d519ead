"""The contract applied to a frame of raw text."""

from collections.abc import Callable
from typing import Any, TypedDict

import pandas as pd

from readmission import contract
from readmission.contract import codes


class Reason(TypedDict):
    """Say why a row was refused: which field, which problem, what is allowed."""

    field: str
    problem: str
    allowed: str


#: Values that cannot all be true of one encounter: name -> (test, what is allowed).
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
        lambda f: f["discharge_disposition_id"].isin(["11", "19", "20", "21"]) & (f[contract.TARGET] != "NO"),
        "'NO' after a death",
    ),
}


def _number(texts: "pd.Series[str]") -> "pd.Series[float]":
    return pd.to_numeric(texts, errors="coerce").fillna(float("inf"))


def problems(frame: pd.DataFrame) -> dict[Any, list[Reason]]:
    """Find the rows that the contract refuses.

    Args:
        frame: raw text, one row an encounter, with the columns of `contract.COLUMN_NAMES`.

    Returns:
        For each refused row's index label, its reasons in the order of the columns; accepted rows are absent.
    """
    found: dict[Any, list[Reason]] = {}
    for column in contract.COLUMNS:
        texts = frame[column.name]
        wrong = {text: problem for text in texts.unique() if (problem := column.problem(text))}
        if wrong:
            for label, problem in texts[texts.isin(list(wrong))].map(wrong).items():
                found.setdefault(label, []).append(Reason(field=column.name, problem=problem, allowed=column.allowed))
    sound = frame.drop(index=list(found))
    for name, (contradicts, allowed) in CONTRADICTIONS.items():
        for label in sound.index[contradicts(sound)]:
            found.setdefault(label, []).append(Reason(field=name, problem="contradiction", allowed=allowed))
    return found
