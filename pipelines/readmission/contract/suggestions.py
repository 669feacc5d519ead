"""The allowed value that is nearest to one that is not allowed."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from readmission import contract
from readmission.contract import Column, icd

_BOUNDS = re.compile(r"\[(\d+)-(\d+)\)")
#: Most characters of a value that are compared; a longer text is no misspelt level.
_LONGEST = 40
_AGE = re.compile(r"\d{1,3}")


def nearest(column: Column, value: object) -> str | int | None:
    """Return the allowed value that a person probably meant, as a request states it.

    Args:
        column: Column whose contract the value breaks.
        value: The value, of any JSON type.

    Returns:
        None if no allowed value is near. A number out of range has no neighbour: which one was meant is unknown.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    if len(text) > _LONGEST:
        return None
    if column.is_number:
        # Text instead of a number, or the words of a code.
        if isinstance(value, str) and column.problem(text) is None and text != contract.MISSING_TOKEN:
            return int(text)
        codes = {text: code for code, text in column.descriptions.items()}
        meant = closest(text, list(codes))
        return int(codes[meant]) if meant else None
    if column.pattern:
        return mend_code(text)
    alias = contract.ALIASES.get(column.name, {}).get(text)
    if alias or text.isdigit():
        return alias or _band_of(column, text)
    return closest(text, column.levels)


def mend_code(text: str, system: icd.System = "9cm") -> str | None:
    """Return a code in its usual spelling: upper case, a dot after the category; None if its system lacks it.

    Billing systems store ``25083`` for 250.83 and ``E1165`` for E11.65; spreadsheets write ``250,83``.
    """
    code = text.strip().upper().replace(",", ".").rstrip(".")
    if "." not in code:
        whole = 4 if system == "9cm" and code.startswith("E") else 3
        code = f"{code[:whole]}.{code[whole:]}" if len(code) > whole else code
    return code if code and icd.refusal(code, system) is None else None


def closest(text: str, levels: Sequence[str]) -> str | None:
    """Return the level that is spelt most like the text, whatever its case; None if none is like it."""
    folded = {level.casefold(): level for level in levels}
    matches = get_close_matches(text.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def _band_of(column: Column, text: str) -> str | None:
    """Return the range, such as ``[70-80)``, that contains a number."""
    if not _AGE.fullmatch(text):
        return None
    for level in column.levels:
        bounds = _BOUNDS.fullmatch(level)
        if bounds and int(bounds[1]) <= int(text) < int(bounds[2]):
            return level
    return None
