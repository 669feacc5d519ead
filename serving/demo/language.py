"""Languages of the page: English texts stand in the code, their Spanish twins in es.toml.

The language belongs to a request; handlers choose it with `speaking`, and what draws the page calls `tr`.
"""

import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

#: Languages by code, as they call themselves. The first is that of the code.
LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Español"}
DEFAULT = "en"
#: Translations by language and English text.
TEXTS: Mapping[str, Mapping[str, str]] = {
    "es": tomllib.loads(Path(__file__).with_name("es.toml").read_text(encoding="utf-8"))
}
Step = TypeVar("Step")
_language: ContextVar[str] = ContextVar("language", default=DEFAULT)


def current() -> str:
    """Return the code of the language in use."""
    return _language.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Use a language within a block."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


async def speak_each(language: str, steps: AsyncIterator[Step]) -> AsyncIterator[Step]:
    """Take each step of a generator in a language; its consumer may run each of them in a context of its own."""
    while True:
        with speaking(language):
            try:
                step = await anext(steps)
            except StopAsyncIteration:
                return
        yield step


def address(language: str) -> str:
    """Return where the page speaks a language, relative to the page in the language in use."""
    if language == DEFAULT:
        return f"../?language={DEFAULT}"
    return f"{language}/" if current() == DEFAULT else f"../{language}/"


def tr(text: str, /, **values: object) -> str:
    """Return a text in the language in use.

    Args:
        text: The English text; names in braces stand for values.
        values: What stands for the names.
    """
    translated = TEXTS.get(current(), {}).get(text, text)
    return translated.format(**values) if values else translated


def mark(text: str) -> str:
    """Mark a constant for translation: `tr` gets it later."""
    return text


def percent(share: float, digits: int = 0) -> str:
    """Write a share, 0 to 1, as a percentage."""
    text = f"{100 * share:.{digits}f}"
    return f"{text}%" if current() == DEFAULT else text.replace(".", ",") + "\u00a0%"


def count(number: int) -> str:
    """Write a whole number with separated thousands."""
    return f"{number:,}" if current() == DEFAULT else f"{number:,}".replace(",", "\u202f")


def factor(number: float) -> str:
    """Write a factor with two decimals."""
    return f"{number:.2f}" if current() == DEFAULT else f"{number:.2f}".replace(".", ",")


def preferred(header: str) -> str:
    """Return the language that a browser prefers.

    Args:
        header: Its `Accept-Language`, such as ``es-CO,es;q=0.9,en;q=0.8``.
    """
    wishes: list[tuple[float, str]] = []
    for entry in header.split(","):
        name, _, parameters = entry.partition(";")
        weight = parameters.strip().removeprefix("q=")
        try:
            wishes.append((float(weight) if weight else 1.0, name.strip().partition("-")[0].lower()))
        except ValueError:
            continue
    spoken = [(weight, name) for weight, name in wishes if name in LANGUAGES and weight > 0]
    return max(spoken, key=lambda wish: wish[0])[1] if spoken else DEFAULT
