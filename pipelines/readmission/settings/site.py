"""Settings of what only people know of a model."""

from pydantic import Field

from readmission.settings.groups import Group


class Site(Group):
    """The dossier of a version: facts that only people of the site know."""

    facts: str = Field(
        "",
        alias="site",
        description="File `site.yaml` (docs/dossier.md) or its content: what only people know of the model.",
    )
    required: bool = Field(
        False,
        alias="site_required",
        description="Refuse to promote while a field of `site.yaml` is empty or its review is overdue.",
    )
