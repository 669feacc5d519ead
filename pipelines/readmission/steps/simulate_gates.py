"""Error rates of the gates, printed as the table of docs/model.md."""

from collections.abc import Iterator
from typing import Annotated

import typer

from readmission.evaluation import error_rates, gates
from readmission.evaluation.error_rates import Rate
from readmission.settings import Settings

#: Clean encounters of the simulated hospitals: one batch of the UCI data, three, and all of it.
SIZES = (14_000, 43_000, 99_000)
#: Share of the validation patients.
_VALIDATION = 0.15


def run(
    settings: Settings,
    *,
    draws: Annotated[int, typer.Option(min=10, help="Simulated candidates of each kind and size.")] = 200,
) -> None:
    """Simulate how often each gate stops a perfect model and how often a worse one passes; print a table.

    The gates are those of READMISSION_GATES or of the package. No data is needed, and nothing is written.

    Raises:
        UserError: The file of gates is not valid.
    """
    limits = gates.read_gates(settings.training.gates)
    typer.echo(table(limits, draws, settings.seed))


def table(limits: list[gates.Gate], draws: int, seed: int) -> str:
    """Return the table as Markdown: a perfect model by gate, then each worse model by the gate that should stop it.

    Args:
        limits: Gates.
        draws: Simulated candidates of each kind and size.
        seed: Seed of the first draw.
    """
    perfect = {rows: error_rates.simulate(limits, rows, error_rates.perfect, draws, seed=seed) for rows in SIZES}
    heads = " | ".join(f"{rows:,} encounters" for rows in SIZES)
    lines = [f"| a perfect model meets | {heads} |", "|---" * (len(SIZES) + 1) + "|"]
    for gate in perfect[SIZES[0]]:
        cells = " | ".join(_stopped(perfect[rows][gate]) for rows in SIZES)
        lines.append(f"| {gate} | {cells} |")
    lines += ["", f"| a worse model, and the gate for it | {heads} |", "|---" * (len(SIZES) + 1) + "|"]
    for label, (gate, distort) in error_rates.WORSE.items():
        rates = [error_rates.simulate(limits, rows, distort, draws, seed=seed) for rows in SIZES]
        cells = " | ".join(_passed(rate[gate]) if gate in rate else "no such gate" for rate in rates)
        lines.append(f"| {label}: `{gate}` | {cells} |")
    lines += ["", f"| against the champion, a candidate that is | {heads} |", "|---" * (len(SIZES) + 1) + "|"]
    return "\n".join([*lines, *_comparisons(limits, draws, seed)])


def _comparisons(limits: list[gates.Gate], draws: int, seed: int) -> Iterator[str]:
    """Yield what passes the gates of the comparison: on all patients by folds, and on the validation patients alone."""
    for label, noise in error_rates.COMPARED.items():
        for where, share in (("all patients", 1.0), ("the validation patients alone", _VALIDATION)):
            rates = [
                error_rates.simulate_comparison(limits, round(rows * share), noise, draws, seed=seed) for rows in SIZES
            ]
            for gate in rates[0]:
                cells = " | ".join(f"passes {rate[gate]:.1%}" for rate in rates)
                yield f"| {label}, on {where}: `{gate}` | {cells} |"


def _stopped(rate: Rate) -> str:
    return f"refused {rate.missed:.1%}, in doubt {rate.in_doubt:.1%}"


def _passed(rate: Rate) -> str:
    return f"passes {rate.passed:.1%}, in doubt {rate.in_doubt:.1%}"
