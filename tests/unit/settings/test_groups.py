"""Groups of settings: every field says what it means, and no two share a flat name."""

from collections import Counter

from readmission.settings import Settings, groups

MODELS = [kind for kind in vars(groups).values() if isinstance(kind, type) and issubclass(kind, groups.Group)]


def test_every_setting_says_what_it_means() -> None:
    for kind in MODELS:
        for name, field in kind.model_fields.items():
            is_said = (field.description or "").endswith(".") or name.startswith(
                "password_"
            )  # a role's, says the table
            assert is_said, f"{kind.__name__}.{name}"


def test_flat_names_are_unique_and_reach_their_group() -> None:
    names = Counter(
        field.alias or f"{group}_{name}"
        for group, info in Settings.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, groups.Group)
        for name, field in info.annotation.model_fields.items()
    )
    assert names and max(names.values()) == 1
    settings = Settings(postgres_port=1, api_port=2, trace_share=0.5)
    assert (settings.postgres.port, settings.api.port, settings.trace.share) == (1, 2, 0.5)
