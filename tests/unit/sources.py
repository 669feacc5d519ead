"""Source files that rules of the house are about."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pipelines" / "readmission"


def sources() -> list[Path]:
    folders = (PACKAGE, ROOT / "serving", ROOT / "loadtest", ROOT / "bench", ROOT / "faults")
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def programs_and_tests() -> list[Path]:
    folders = ("pipelines/dags", "charts", "scripts", "tests")
    return [*sources(), *(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))]
