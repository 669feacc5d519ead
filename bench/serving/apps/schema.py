"""The pydantic model that a FastAPI service of this contract would write."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from readmission import contract
from readmission.contract import Column


def _field(column: Column) -> tuple[Any, Any]:
    if column.levels:
        return Literal[column.values()], Field(alias=column.name)
    if column.is_text:
        return str, Field(alias=column.name)
    return int, Field(ge=column.minimum, le=column.maximum, alias=column.name)


_FIELDS: dict[str, Any] = {column.name.replace("-", "_"): _field(column) for column in contract.FEATURE_COLUMNS}
#: One encounter with every feature; the benchmarks' requests are complete.
Encounter: type[BaseModel] = create_model("Encounter", __config__=ConfigDict(populate_by_name=True), **_FIELDS)


class Answer(BaseModel):
    """Answer one encounter."""

    prediction: str
    probabilities: dict[str, float]
