"""Elements: keys of references, codes of a system, moments."""

from readmission.fhir.elements import Coding, Concept, Observation, Period, Reference, key_of


def test_keys_of_references() -> None:
    assert key_of("https://a.example.org/fhir/Encounter/7/_history/2") == "Encounter/7"
    assert Reference("urn:uuid:1").key == "urn:uuid:1" and Reference().key == ""


def test_codes_of_one_system_in_their_order() -> None:
    concept = Concept((Coding("a", "1"), Coding("b", "2"), Coding("a", "3")))
    assert concept.codes("a") == ["1", "3"]


def test_the_moment_of_an_observation() -> None:
    assert Observation(effective_period=Period("2026-01-01")).moment == "2026-01-01"
    assert Observation(effective_date_time="2026-01-02", effective_instant="x").moment == "2026-01-02"
