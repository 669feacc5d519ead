"""The pydantic model that a FastAPI service of this contract would write."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from readmission import contract
from readmission.contract import Column


def _field(column: Column) -> tuple[Any, Any]:
    match column.kind:
        case "level":
            kind: Any = Literal[column.levels]
        case "coded":
            kind = Literal[tuple(map(int, column.levels))]
        case "icd9":
            kind = str
        case _:
            kind = int
    if column.kind == "integer":
        return kind, Field(ge=column.minimum, le=column.maximum, alias=column.name)
    return kind, Field(alias=column.name)


_FIELDS: dict[str, Any] = {column.name.replace("-", "_"): _field(column) for column in contract.FEATURES}
#: One encounter with every feature; the benchmarks' requests are complete.
Encounter: type[BaseModel] = create_model("Encounter", __config__=ConfigDict(populate_by_name=True), **_FIELDS)


class Answer(BaseModel):
    """Answer one encounter."""

    prediction: str
    probabilities: dict[str, float]
