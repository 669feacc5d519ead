"""The artifact folder of a compiled model: what it is, and that every file is as it was written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from readmission import contract
from readmission.contract.risk import GroupDoubt, OperatingPoint, RiskBand
from readmission.errors import UserError
from readmission.files import file_sha256

MANIFEST, SCORER, GOLDEN = "manifest.json", "scorer.json", "golden.json"
#: Forms of the model card: what a client asks for -> file. Versions of earlier releases have the page only.
CARDS: Mapping[str, str] = {"html": "model_card.html", "markdown": "model_card.md", "xml": "applied_model_card.xml"}
#: Pages of the card in other languages, by the language's code. Versions of earlier releases have none.
CARD_PAGES: Mapping[str, str] = {"es": "model_card.es.html"}
#: Both: what an artifact holds of the card.
FORMS: Mapping[str, str] = {**CARDS, **CARD_PAGES}

Engine = Literal["lightgbm", "linear", "pipeline"]


class ArtifactError(UserError):
    """Reason why an artifact folder must not be served."""


class ContractMismatchError(ArtifactError):
    """The model is of another version of the contract than this software."""


class Parity(msgspec.Struct, frozen=True):
    """Comparison of the scorer with its Pipeline: number of rows and largest absolute difference."""

    rows: int
    max_difference: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Description of a compiled model.

    Attributes:
        contract_version: Only an API of the same contract version serves it.
        model_name: Registered model.
        family: Key of `models.FAMILIES`.
        engine: Engine that computes the probabilities.
        classes: Classes in the order of every probability vector.
        trees: Number of trees evaluated for a row; 0 for engines without trees.
        synthetic: Whether it was trained on synthetic data. Its figures then say nothing about patients.
        metrics: Figures of the training run, for `/model-info`.
        run_id: MLflow run it comes from.
        compiled_at: ISO 8601, UTC.
        parity: The comparison made at compile time.
        points: Operating points, chosen on validation.
        bands: Bands of risk, from the lowest. If empty, answers name no band.
        prevalence: Share of encounters with a readmission within 30 days in the training data, 0 to 1. None for models
            that were compiled before the field existed.
        icd: Code systems of the training data, before its diagnoses were translated (`contract.icd`).
        gates: How each gate was met (`gates.Check`).
        doubts: Groups of people whose estimates a reader should doubt. Empty for versions of earlier releases.
        history: Number of patients and visits whose history the model knows. Empty if there is none.
        files: Name -> sha256 of every other file of the folder.
    """

    contract_version: int
    model_name: str
    family: str
    engine: Engine
    classes: tuple[str, ...]
    trees: int
    synthetic: bool
    metrics: Mapping[str, float]
    run_id: str
    compiled_at: str
    parity: Parity
    files: Mapping[str, str]
    points: tuple[OperatingPoint, ...] = ()
    bands: tuple[RiskBand, ...] = ()
    prevalence: float | None = None
    icd: tuple[str, ...] = ("9cm",)
    gates: tuple[Mapping[str, str | float | bool | None], ...] = ()
    doubts: tuple[GroupDoubt, ...] = ()
    history: Mapping[str, int] = {}


class Golden(msgspec.Struct, frozen=True):
    """One request and the probabilities that the Pipeline gave it, in the order of the classes."""

    request: dict[str, str | int]
    probabilities: tuple[float, float, float]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; last, so that a folder with a manifest is whole."""
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))


def complete_artifact(
    folder: Path,
    gates: Sequence[Mapping[str, str | float | bool | None]],
    cards: Mapping[str, str],
    doubts: Sequence[GroupDoubt] = (),
) -> None:
    """Add to a compiled model what was said of it afterwards: how each gate was met, the model card, doubts.

    Args:
        folder: Folder of the compiled model.
        gates: Checks of the verdict.
        cards: Forms of the model card by file name, of CARDS and CARD_PAGES.
        doubts: Groups of people whose estimates a reader should doubt.
    """
    for name, text in cards.items():
        (folder / name).write_text(text)
    manifest = read_manifest(folder)
    files = {**manifest.files, **{name: file_sha256(folder / name) for name in cards}}
    write_manifest(folder, msgspec.structs.replace(manifest, gates=tuple(gates), doubts=tuple(doubts), files=files))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder and check every file against it.

    Raises:
        ArtifactError: A file is missing or differs from what was written, or the contract version differs.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise ArtifactError(f"{folder.name} has no {MANIFEST}: the model was not compiled") from None
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{MANIFEST} cannot be read: {error}") from None
    if manifest.contract_version != contract.CONTRACT_VERSION:
        raise ContractMismatchError(
            f"the model is of contract version {manifest.contract_version}, "
            f"this software serves version {contract.CONTRACT_VERSION}"
        )
    if manifest.classes != contract.CLASSES:
        raise ContractMismatchError(f"the model's classes {manifest.classes} are not {contract.CLASSES}")
    for name, digest in manifest.files.items():
        if Path(name).name != name:
            raise ArtifactError(f"{MANIFEST} names a file outside its folder")
        if not (folder / name).is_file() or file_sha256(folder / name) != digest:
            raise ArtifactError(f"{name} is missing or is not what was compiled (sha256)")
    return manifest


def read_golden(folder: Path) -> list[Golden]:
    """Read the golden rows of a folder."""
    return msgspec.json.decode((folder / GOLDEN).read_bytes(), type=list[Golden])
