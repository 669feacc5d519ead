"""The applied model card of the Coalition for Health AI (CHAI, schema v0.2) as XML. Pure."""

import json
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from readmission.contract.risk import INTENDED_USE
from readmission.evaluation import source_attributes
from readmission.evaluation.model_card import Facts
from readmission.evaluation.site_facts import SiteFacts

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
_OPEN = "Not stated by this site."
Tree = dict[str, object]


def xml(facts: Facts, site: SiteFacts, released: str) -> str:
    """Return the card of one version.

    Args:
        facts: Facts of the version.
        site: Facts of the site.
        released: Day on which the version was judged, ISO 8601.
    """
    root = Element("AppliedModelCard", xmlns=NAMESPACE)
    for name, content in _content(facts, site, released).items():
        _add(root, name, content)
    indent(root)
    return tostring(root, "unicode", xml_declaration=True) + "\n"


def _add(parent: Element, name: str, content: object) -> None:
    if isinstance(content, list):
        for each in content:
            _add(parent, name, each)
        return
    element = SubElement(parent, name)
    if isinstance(content, dict):
        for child, value in content.items():
            _add(element, child, value)
    else:
        element.text = str(content)


def _content(facts: Facts, site: SiteFacts, released: str) -> Tree:
    """Return the content of the card. More than 40 lines, because it has an entry for each element of the schema."""
    synthetic = " Trained on SYNTHETIC data: nothing here says anything about patients." if facts.synthetic else ""
    return {
        "BasicInfo": {
            "ModelName": facts.name,
            "ModelDeveloper": site.developer or _OPEN,
            "DeveloperContact": site.contact or _OPEN,
        },
        "ReleaseInfo": {
            "ReleaseStage": "Research",
            "ReleaseDate": released,
            "ReleaseVersion": facts.lineage.get("MLflow run", ""),
            "GlobalAvailability": "Self-hosted",
            "RegulatoryApproval": "None. Not a medical device.",
        },
        "ModelSummary": {
            "Summary": f"Risk of readmission within 30 days of patients with diabetes at discharge.{synthetic}",
            "Keywords": {"Keyword": ["readmission", "diabetes", "discharge"]},
        },
        "UsesAndDirections": {
            "IntendedUseAndWorkflow": INTENDED_USE,
            "PrimaryIntendedUsers": site.intended_users or _OPEN,
            "HowToUse": f"Role in a decision: {site.decision_role or _OPEN}",
            "TargetedPatientPopulation": "Adults with diabetes at discharge from an inpatient stay of 1 to 14 days.",
            "CautionedOutOfScopeSettings": _answer(facts, site, "3.i"),
        },
        "Warnings": {
            "KnownRisksAndLimitations": _answer(facts, site, "3.ii"),
            "KnownBiasesOrEthicalConsiderations": source_attributes.fairness(facts),
            "ClinicalRiskLevel": "Not assessed. For research.",
        },
        "TrustIngredients": {
            "AISystemFacts": _system(facts, site),
            "TransparencyInformation": {
                "FundingSource": site.funding or _OPEN,
                "StakeholdersConsulted": site.stakeholders or _OPEN,
            },
        },
        "KeyMetrics": _metrics(facts),
        "Resources": {
            "PeerReviewedPublications": "Data: Strack et al. 2014, doi:10.1155/2014/781670.",
            "PatientConsentOrDisclosure": site.patient_disclosure or _OPEN,
        },
        "Bibliography": "Strack et al. 2014, doi:10.1155/2014/781670.",
    }


def _system(facts: Facts, site: SiteFacts) -> Tree:
    rows = ", ".join(f"{split} {count:,} encounters" for split, count in facts.rows.items())
    return {
        "OutcomesAndOutputs": "Probabilities of a readmission within 30 days, later, and none; a risk band.",
        "ModelType": facts.family,
        "InputDataSource": f"Data {facts.lineage.get('data (sha256 of the snapshot)', '')}",
        "OutputAndInputDataTypes": "One hospital stay: counts, levels, diagnosis codes.",
        "DevelopmentDataCharacterization": f"{rows}. {source_attributes.representation(facts)}",
        "BiasMitigationApproaches": source_attributes.gates_met(facts),
        "OngoingMaintenance": site.update_process or _OPEN,
    }


def _metrics(facts: Facts) -> Tree:
    test = {
        "TestType": "Internal, held-out patients",
        "TestingDataDescription": f"{facts.rows.get('test', 0):,} encounters",
    }
    process = {
        "ValidationProcessAndJustification": "Patients are in one split for ever; intervals by bootstrap of patients."
    }
    usefulness = {name: vars(facts.intervals[name]) for name in ("roc_auc_30", "pr_auc_30", "recall_at_alert_10")}
    usefulness |= {f"found_more_than_{each.score}": vars(each.difference) for each in facts.comparisons}
    groups = {f"{g.column} {g.level}": {"found": g.recall, "observed": g.prevalence} for g in facts.slices if g.judged}
    safety = {name: vars(facts.intervals[name]) for name in ("ece_30", "brier_30")}
    return {
        name: {
            "MetricGoal": goal,
            "Results": {"MetricResult": _results(values or {"judged groups": 0})},
            "Interpretation": "Value with its 95 % interval, or as measured.",
            **test,
            **process,
        }
        for name, goal, values in (
            (
                "UsefulnessUsabilityEfficacy",
                "Find more early readmissions than known scores at equal alerts.",
                usefulness,
            ),
            ("FairnessEquity", "Serve no group of people worse.", groups),
            ("SafetyReliability", "A risk of 20 % means 20 %.", safety),
        )
    }


def _results(values: Mapping[str, object]) -> list[Tree]:
    return [{"Label": label, "ValueJson": json.dumps(value)} for label, value in values.items()]


def _answer(facts: Facts, site: SiteFacts, number: str) -> str:
    return next(each.answer for each in source_attributes.attributes(facts, site) if each.number == number)
