"""Resources and their elements: the parts that the mapping reads, with their types."""

from msgspec import Struct, field


def key_of(reference: str) -> str:
    """Return the last two parts of a literal reference (``Type/id``), without its version; a URN as it is."""
    if reference.startswith("urn:"):
        return reference
    return "/".join(reference.partition("/_history/")[0].split("/")[-2:])


class Coding(Struct, frozen=True):
    """Code of a code system."""

    system: str = ""
    code: str = ""
    display: str = ""


class Concept(Struct, frozen=True):
    """CodeableConcept."""

    coding: tuple[Coding, ...] = ()
    text: str = ""

    def codes(self, system: str) -> list[str]:
        """Return the codes of one system."""
        return [coding.code for coding in self.coding if coding.system == system]


class Reference(Struct, frozen=True):
    """Reference to another resource."""

    reference: str = ""

    @property
    def key(self) -> str:
        """Return ``Type/id`` of the reference, or its URN; empty if there is none."""
        return key_of(self.reference)


class Period(Struct, frozen=True):
    """Period; either end may be absent."""

    start: str = ""
    end: str = ""


class Quantity(Struct, frozen=True):
    """Measured amount."""

    value: float | None = None
    unit: str = ""
    code: str = ""


class Identifier(Struct, frozen=True):
    """Identifier in a system of its own."""

    system: str = ""
    value: str = ""


class Extension(Struct, frozen=True, rename="camel"):
    """Extension; US Core's race is nested."""

    url: str = ""
    value_coding: Coding | None = None
    extension: tuple["Extension", ...] = ()


class Patient(Struct, frozen=True, kw_only=True, rename="camel"):
    """Patient."""

    id: str = ""
    identifier: tuple[Identifier, ...] = ()
    gender: str = ""
    birth_date: str = ""
    deceased_boolean: bool = False
    deceased_date_time: str = ""
    extension: tuple[Extension, ...] = ()


class Hospitalization(Struct, frozen=True, rename="camel"):
    """Admission and discharge of a stay."""

    admit_source: Concept = Concept()
    discharge_disposition: Concept = Concept()


class EncounterDiagnosis(Struct, frozen=True):
    """Diagnosis of an encounter."""

    condition: Reference = Reference()
    use: Concept = Concept()
    rank: int | None = None


class Encounter(Struct, frozen=True, kw_only=True, rename="camel"):
    """Encounter."""

    id: str = ""
    identifier: tuple[Identifier, ...] = ()
    status: str = ""
    kind: Coding = field(default=Coding(), name="class")
    priority: Concept = Concept()
    service_type: Concept = Concept()
    subject: Reference = Reference()
    period: Period = Period()
    hospitalization: Hospitalization = Hospitalization()
    diagnosis: tuple[EncounterDiagnosis, ...] = ()
    part_of: Reference = Reference()


class Condition(Struct, frozen=True, kw_only=True, rename="camel"):
    """Condition."""

    id: str = ""
    verification_status: Concept = Concept()
    code: Concept = Concept()
    subject: Reference = Reference()
    encounter: Reference = Reference()


class Observation(Struct, frozen=True, kw_only=True, rename="camel"):
    """Observation."""

    id: str = ""
    status: str = ""
    category: tuple[Concept, ...] = ()
    code: Concept = Concept()
    subject: Reference = Reference()
    encounter: Reference = Reference()
    effective_date_time: str = ""
    effective_instant: str = ""
    effective_period: Period = Period()
    value_quantity: Quantity | None = None
    has_member: tuple[Reference, ...] = ()

    @property
    def moment(self) -> str:
        """Return when it was observed."""
        return self.effective_date_time or self.effective_instant or self.effective_period.start


class Procedure(Struct, frozen=True, kw_only=True, rename="camel"):
    """Procedure."""

    id: str = ""
    status: str = ""
    subject: Reference = Reference()
    encounter: Reference = Reference()
    performed_date_time: str = ""
    performed_period: Period = Period()

    @property
    def moment(self) -> str:
        """Return when it was performed."""
        return self.performed_date_time or self.performed_period.start


class DoseAndRate(Struct, frozen=True, rename="camel"):
    """Dose of one instruction."""

    dose_quantity: Quantity | None = None


class Dosage(Struct, frozen=True, rename="camel"):
    """Instruction of a prescription."""

    dose_and_rate: tuple[DoseAndRate, ...] = ()


class MedicationRequest(Struct, frozen=True, kw_only=True, rename="camel"):
    """Prescription."""

    id: str = ""
    status: str = ""
    intent: str = ""
    do_not_perform: bool = False
    medication_codeable_concept: Concept = Concept()
    medication_reference: Reference = Reference()
    subject: Reference = Reference()
    encounter: Reference = Reference()
    authored_on: str = ""
    dosage_instruction: tuple[Dosage, ...] = ()

    @property
    def moment(self) -> str:
        """Return when it was written."""
        return self.authored_on


class MedicationAdministration(Struct, frozen=True, kw_only=True, rename="camel"):
    """Drug that was given."""

    id: str = ""
    status: str = ""
    medication_codeable_concept: Concept = Concept()
    medication_reference: Reference = Reference()
    subject: Reference = Reference()
    encounter: Reference = field(default=Reference(), name="context")
    effective_date_time: str = ""
    effective_period: Period = Period()

    @property
    def moment(self) -> str:
        """Return when it was given."""
        return self.effective_date_time or self.effective_period.start


class Medication(Struct, frozen=True):
    """Drug that prescriptions and administrations refer to."""

    id: str = ""
    code: Concept = Concept()
