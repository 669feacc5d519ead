"""Settings of custody: who signs what is promoted, and whose signatures count."""

from pydantic import Field, SecretStr, field_validator

from readmission.settings.groups import Group
from readmission.signatures import read_signers


class Custody(Group):
    """Signatures of promoted versions. With either setting, nothing unsigned is served or used for scoring."""

    signing_key: SecretStr | None = Field(
        None,
        alias="signing_key",
        description="Secret that `promote` and whatever writes a version anew sign with; any long random text.",
    )
    trusted_signers: str = Field(
        "",
        alias="trusted_signers",
        description="Public keys, separated by commas, whose versions are served beside those of the signing key.",
    )

    @field_validator("trusted_signers")
    @classmethod
    def _are_keys(cls, value: str) -> str:
        read_signers(value)
        return value
