"""Facts about a model that only people know: `site.yaml`, checked for what is empty and for an overdue review."""

from datetime import date
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError


class SiteFacts(BaseModel):
    """What a hospital states about the model that it uses. An empty field is one that nobody has answered.

    Attributes:
        reviewed_by: Person who vouches for these facts.
        review_due: Day after which the review is overdue.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    developer: str = Field("", description="Name of the developer of the model.")
    contact: str = Field("", description="How to reach the developer.")
    funding: str = Field("", description="Who paid for the development.")
    intended_users: str = Field("", description="Who uses the prediction.")
    decision_role: str = Field("", description="Whether it informs, augments or replaces a decision, and which.")
    relevance: str = Field("", description="How the training data relates to the patients of this site.")
    external_data: str = Field("", description="Data and setting of an external validation; 'none' if there was none.")
    external_party: str = Field("", description="Who validated it externally.")
    external_people: str = Field("", description="Who is represented in the external data.")
    external_process: str = Field("", description="How it was validated externally.")
    external_validity: str = Field("", description="Validity in external data.")
    external_fairness: str = Field("", description="Fairness in external data.")
    outcome_studies: str = Field("", description="References to evaluations of what its use changes for patients.")
    update_process: str = Field("", description="How and how often the model is updated.")
    correction_process: str = Field("", description="How soon performance is corrected when a risk is found.")
    stakeholders: str = Field("", description="Who was consulted before it was used.")
    patient_disclosure: str = Field("", description="What patients are told.")
    reviewed_by: str = Field("", description="Person who vouches for these facts.")
    review_due: date | None = Field(None, description="Day by which they are reviewed again, as 2027-11-27.")

    def problems(self, today: date) -> list[str]:
        """Return the fields that are empty, and whether the review is overdue; empty if nothing is open."""
        empty = [f"{name} is empty" for name in SiteFacts.model_fields if getattr(self, name) in ("", None)]
        if self.review_due is not None and self.review_due < today:
            empty.append(f"the review was due on {self.review_due}")
        return empty


def read_site_facts(source: str) -> SiteFacts:
    """Read the facts of a site (READMISSION_SITE).

    Args:
        source: Path of a file, or YAML itself (as a ConfigMap holds it). If empty, every field is.

    Raises:
        ValueError: It is not YAML with these fields; says what is wrong.
    """
    if not source.strip():
        return SiteFacts()
    try:
        text = source if "\n" in source or ": " in source else Path(source).expanduser().read_text()
        return SiteFacts.model_validate(yaml.safe_load(text) or {})
    except OSError as error:
        raise ValueError(f"READMISSION_SITE: {source} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"READMISSION_SITE is not YAML: {error}") from error
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        allowed = ", ".join(SiteFacts.model_fields)
        raise ValueError(f"READMISSION_SITE: {'; '.join(problems)}. Fields: {allowed}.") from None
