"""List of every setting: its variable, its value here and what it means."""

from typing import Annotated

import typer
from pydantic import SecretStr

from readmission.settings import Settings, fields


def run(
    settings: Settings,
    *,
    markdown: Annotated[bool, typer.Option(help="Print the table of docs/settings.md: defaults, not values.")] = False,
) -> None:
    """Show every setting with its variable, its value here and what it means; secrets are never shown."""
    if markdown:
        typer.echo(table())
        return
    for name, _, _, field in fields():
        value = settings.value(name)
        shown = "(set)" if isinstance(value, SecretStr) else "(not set)" if value in (None, "") else str(value)
        typer.echo(f"{variable(name)}={shown}")
        if field.description:
            typer.echo(f"    {field.description}")


def table() -> str:
    """Return the settings as a Markdown table."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, _, _, field in fields():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        meaning = field.description or f"Password of database role `readmission_{name.rsplit('_', 1)[-1]}`."
        lines.append(f"| `{variable(name)}` | {default} | {meaning} |")
    return "\n".join(lines)


def variable(name: str) -> str:
    """Return the environment variable of a setting, given its flat name."""
    return f"READMISSION_{name.upper()}"
