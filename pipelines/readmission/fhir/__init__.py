"""FHIR R4 resources as encounters of the contract, and answers as RiskAssessments. Pure: no network, no store."""
