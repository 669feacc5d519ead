"""The model card in Spanish: the Markdown of the English one, translated piece by piece. Pure.

A piece is a heading, a paragraph or a cell of a table, as in translation tools for documents. `spanish_card.toml` has
its twin under the English text with `#` in the place of each number and of each name in backticks, which follow in the
same order. What has no twin stays as it is: names of columns, levels, figures and gates, which programs read.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Spanish pieces by their English ones.
TWINS: Mapping[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
#: Where the rest is: the dossier answers rules that are written in English.
REST = (
    "Las cifras llevan punto decimal. El expediente para revisores está en inglés, al final de la ficha en inglés "
    "(`/model-card`)."
)
#: Numbers with their separators, and names in backticks: the same in both languages.
_VALUE = re.compile(r"`[^`]*`|(?<![A-Za-z_\d.,])-?\d+(?:[.,]\d+)*(?:e-?\d+)?")
_MARK = re.compile(r"^(#+ )?(.*)$", re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")


def translate(card: str) -> str:
    """Return an English card, as Markdown, in Spanish."""
    return "\n".join(_line(line) for line in card.split("\n")) + f"\n{REST}\n"


def untranslated(card: str) -> Iterator[str]:
    """Yield every piece of an English card that has letters and no twin."""
    for line in card.split("\n"):
        for piece in _pieces(line):
            if re.search(r"[A-Za-z]{2}", _VALUE.sub("", piece)) and _twin(piece) is None:
                yield piece


def _line(line: str) -> str:
    if line.startswith("|"):
        cells = (_twin(piece) or piece for piece in _pieces(line))
        return f"| {' | '.join(cells)} |"
    heading, piece = _split(line)
    return heading + (_twin(piece) or piece)


def _pieces(line: str) -> list[str]:
    if line.startswith("|"):
        return [cell.strip() for cell in _CELL.split(line)[1:-1]]
    return [_split(line)[1]]


def _split(line: str) -> tuple[str, str]:
    """Return the marks of a heading and its text."""
    marks, text = _MARK.findall(line)[0]
    return marks, text


def _twin(piece: str) -> str | None:
    """Return the Spanish piece with the values of the English one; None if there is none."""
    values = iter(_VALUE.findall(piece))
    twin = TWINS.get(_VALUE.sub("#", piece))
    if twin is not None:
        return re.sub("#", lambda _: next(values), twin)
    label, colon, rest = piece.partition(": ")
    if colon and (twin := TWINS.get(f"{label}:")) is not None:
        return f"{twin} {rest}"
    return None
