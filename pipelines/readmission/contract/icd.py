"""Code systems of diagnoses: ICD-9-CM, the language of the training data, and ICD-10-CM, translated into it.

The code system of a code is declared and never guessed: `E878` is an external cause in ICD-9-CM and, written without
its dot, a disorder of electrolytes in ICD-10-CM. Translation stops at the grain of the training data: three digits
without leading zeros, `250` with its decimals. docs/codes.md states the rules by which the table was built.
"""

import gzip
import re
from bisect import bisect_left
from functools import lru_cache
from importlib import resources
from typing import Literal, NamedTuple, get_args

from readmission.contract.kinds import Icd9

System = Literal["9cm", "10cm"]
#: The code systems that a request, a file or a setting may declare.
SYSTEMS: tuple[System, ...] = get_args(System)
#: Code systems by the URI that FHIR gives them.
SYSTEM_URIS: dict[str, System] = {
    "http://hl7.org/fhir/sid/icd-9-cm": "9cm",
    "http://hl7.org/fhir/sid/icd-10-cm": "10cm",
}
#: Packaged table, written by `make codes`: one line a billable code, sorted, of fixed width.
TABLE = "icd10cm.txt.gz"
#: Form of a line: code, ICD-9-CM code or nothing, flags of the crosswalk, rule.
LINE = "{:<7} {:<6} {:<3} {:<1}\n"
_WIDTH = len(LINE.format("", "", "", ""))
#: How a code was decided; the rules that begin with a refusal have no ICD-9-CM code.
RULES: dict[str, str] = {
    "s": "the crosswalk has a single code at this grain",
    "c": "the crosswalk has a combination of codes: the first, which is the condition",
    "b": "of several codes, the one that the crosswalk from ICD-9-CM leads back from",
    "g": "of several codes that only their numbers tell apart, the one that the training data has most often",
    "m": "of several codes, the one that has two thirds of their uses in the training data",
    "n": "newer than the crosswalk: the code that its predecessor or its nearest relatives have",
    "A": "refused: several codes that the model tells apart",
    "U": "refused: the crosswalk has no equivalent",
}
_ICD9 = Icd9()
#: Form of an ICD-10-CM code.
ICD10_PATTERN = r"[A-Z][0-9][0-9AB](?:\.?[0-9A-Z]{1,4})?"
_ICD10 = re.compile(ICD10_PATTERN)
_UNLISTED = "a billable ICD-10-CM code of fiscal year 2024, such as 'I50.9', 'E11.65' or 'E1165'"
_UNMAPPED = "an ICD-10-CM code with an equivalent in ICD-9-CM; this one has none, so leave it out or state another"
_AMBIGUOUS = (
    "an ICD-10-CM code with one equivalent in ICD-9-CM; this one has several that differ, so leave it out or state "
    "a more specific one"
)


class CodeRefusal(NamedTuple):
    """Reason why a code has no place in the language of the training data.

    Attributes:
        problem: ``pattern`` (not the form of a code), ``unlisted`` (no billable code), ``unmapped`` (no equivalent in
            ICD-9-CM) or ``ambiguous`` (several equivalents that the model tells apart).
        allowed: What is allowed, in words. It never repeats the code.
    """

    problem: str
    allowed: str


class RefusedCodeError(ValueError):
    """Refusal of one code."""

    def __init__(self, refusal: CodeRefusal) -> None:
        super().__init__(f"{refusal.problem}: expected {refusal.allowed}")
        self.refusal = refusal


class CodeMapping(NamedTuple):
    """Line of the table.

    Attributes:
        icd9: ICD-9-CM code at the grain of the training data; empty if the code is refused.
        flags: Flags of the crosswalk (approximate, no map, combination), each 0 or 1; empty if it lacks the code.
        rule: Key of RULES.
    """

    icd9: str
    flags: str
    rule: str


def to_icd9(code: str, system: System) -> str:
    """Return a code in the language of the training data.

    Args:
        code: ICD-9-CM with its dot, or ICD-10-CM with or without it.
        system: The declared code system.

    Returns:
        An ICD-9-CM code. One that was declared as such is returned as it is, whatever its grain.

    Raises:
        RefusedCodeError: The code does not exist in that system, or has no single equivalent; see `CodeRefusal`.
    """
    if system == "9cm":
        if _ICD9.problem(code) is not None:
            raise RefusedCodeError(CodeRefusal(_ICD9.violation, _ICD9.allowed))
        return code
    translated = _translate(code)
    if isinstance(translated, CodeRefusal):
        raise RefusedCodeError(translated)
    return translated


def refusal(code: str, system: System) -> CodeRefusal | None:
    """Return why `to_icd9` would refuse a code; None if it would not."""
    try:
        to_icd9(code, system)
    except RefusedCodeError as error:
        return error.refusal
    return None


@lru_cache(maxsize=10_000)
def _translate(code: str) -> str | CodeRefusal:
    if not _ICD10.fullmatch(code):
        return CodeRefusal("pattern", _UNLISTED)
    entry = look_up(code)
    if entry is None:
        return CodeRefusal("unlisted", _UNLISTED)
    if not entry.icd9:
        return CodeRefusal("ambiguous", _AMBIGUOUS) if entry.rule == "A" else CodeRefusal("unmapped", _UNMAPPED)
    return entry.icd9


def look_up(code: str) -> CodeMapping | None:
    """Return the line of one ICD-10-CM code, with or without its dot; None if it is not a billable code."""
    lines = table()
    key = code.replace(".", "", 1).ljust(7).encode()
    position = bisect_left(range(len(lines) // _WIDTH), key, key=lambda i: lines[i * _WIDTH : i * _WIDTH + 7])
    line = lines[position * _WIDTH : (position + 1) * _WIDTH]
    if line[:7] != key:
        return None
    text = line.decode()
    return CodeMapping(text[8:14].strip(), text[15:18].strip(), text[19])


@lru_cache(maxsize=1)
def table() -> bytes:
    """Return the lines of the table: 1.5 MB, read when the first ICD-10-CM code comes."""
    return gzip.decompress((resources.files("readmission.contract") / TABLE).read_bytes())
