"""Code systems of FHIR resources and what their codes are in the contract. A code that is not here counts as unknown.

Sources: FHIR R4 (discharge-disposition, admit-source, v3-ActCode, v3-ActPriority, US Core race), NUBC's UB-04 codes, of
which the data set's own ids were made (IDS_mapping.csv), LOINC, RxNorm ingredients, SNOMED CT.
"""

from collections.abc import Mapping

from readmission.contract import icd

LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
DISCHARGE_DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
ADMIT_SOURCE = "http://terminology.hl7.org/CodeSystem/admit-source"
ACT_PRIORITY = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"
NUBC_DISPOSITION = "https://www.nubc.org/CodeSystem/PatDischargeStatus"
NUBC_SOURCE = "https://www.nubc.org/CodeSystem/PointOfOrigin"
NUBC_TYPE = "https://www.nubc.org/CodeSystem/PriorityTypeOfAdmitOrVisit"
US_CORE_RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
US_CORE_ETHNICITY = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity"

#: Code systems of diagnoses, by URI and by the OID that documents carry.
ICD: Mapping[str, icd.System] = {
    **icd.SYSTEM_URIS,
    "urn:oid:2.16.840.1.113883.6.103": "9cm",
    "urn:oid:2.16.840.1.113883.6.90": "10cm",
}
#: Codes of Encounter.class: stays, and what other visits count as.
STAYS = frozenset({"IMP", "ACUTE", "NONAC"})
VISITS: Mapping[str, str] = {
    **dict.fromkeys(STAYS, "number_inpatient"),
    "EMER": "number_emergency",
    **dict.fromkeys(("AMB", "OBSENC", "SS", "VR"), "number_outpatient"),
}
GENDERS: Mapping[str, str] = {
    "female": "Female",
    "male": "Male",
    "other": "Unknown/Invalid",
    "unknown": "Unknown/Invalid",
}
#: US Core's race categories (OMB). Hispanic is an ethnicity there and a race in the data set.
RACES: Mapping[str, str] = {
    "2106-3": "Caucasian",
    "2054-5": "AfricanAmerican",
    "2028-9": "Asian",
    "1002-5": "Other",
    "2076-8": "Other",
    "2131-1": "Other",
}
HISPANIC = "2135-2"

#: Discharge disposition: system -> code -> discharge_disposition_id.
DISPOSITIONS: Mapping[str, Mapping[str, int]] = {
    DISCHARGE_DISPOSITION: {
        "home": 1,
        "alt-home": 1,
        "other-hcf": 30,
        "hosp": 13,
        "long": 23,
        "aadvice": 7,
        "exp": 11,
        "psy": 28,
        "rehab": 22,
        "snf": 3,
    },
    # 81 to 95 are 01 to 70 with a planned readmission.
    NUBC_DISPOSITION: {
        "01": 1,
        "02": 2,
        "03": 3,
        "04": 4,
        "05": 5,
        "06": 6,
        "07": 7,
        "08": 8,
        "09": 9,
        "20": 11,
        "30": 12,
        "40": 19,
        "41": 20,
        "42": 21,
        "43": 27,
        "50": 13,
        "51": 14,
        "61": 15,
        "62": 22,
        "63": 23,
        "64": 24,
        "65": 28,
        "66": 29,
        "69": 30,
        "70": 30,
        "71": 16,
        "72": 17,
        "81": 1,
        "82": 2,
        "83": 3,
        "84": 4,
        "85": 5,
        "86": 6,
        "88": 27,
        "89": 15,
        "90": 22,
        "91": 23,
        "92": 24,
        "93": 28,
        "94": 29,
        "95": 30,
    },
}
#: Admission source: system -> code -> admission_source_id.
SOURCES: Mapping[str, Mapping[str, int]] = {
    ADMIT_SOURCE: {
        "hosp-trans": 4,
        "emd": 7,
        "outp": 2,
        "born": 23,
        "gp": 1,
        "mp": 1,
        "nursing": 5,
        "psych": 6,
        "rehab": 6,
    },
    NUBC_SOURCE: {
        "1": 1,
        "2": 2,
        "4": 4,
        "5": 5,
        "6": 6,
        "7": 7,
        "8": 8,
        "9": 9,
        "A": 10,
        "B": 18,
        "C": 19,
        "D": 22,
        "E": 25,
        "F": 26,
    },
}
#: Priority of the admission: system -> code -> admission_type_id.
TYPES: Mapping[str, Mapping[str, int]] = {
    ACT_PRIORITY: {"EM": 1, "UR": 2, "EL": 3},
    NUBC_TYPE: {"1": 1, "2": 2, "3": 3, "4": 4, "5": 7, "9": 5},
}
#: Service of the stay: system -> code -> medical_specialty.
SPECIALTIES: Mapping[str, Mapping[str, str]] = {
    SNOMED: {
        "394577000": "Anesthesiology",
        "394579002": "Cardiology",
        "394582007": "Dermatology",
        "394583002": "Endocrinology",
        "408475000": "Endocrinology",
        "394584008": "Gastroenterology",
        "394585009": "ObstetricsandGynecology",
        "394586005": "Gynecology",
        "394587001": "Psychiatry",
        "394588006": "Psychiatry-Child/Adolescent",
        "394589003": "Nephrology",
        "394591006": "Neurology",
        "394593009": "Oncology",
        "394594003": "Ophthalmology",
        "394602003": "PhysicalMedicineandRehabilitation",
        "394802001": "InternalMedicine",
        "394803006": "Hematology",
        "394807007": "InfectiousDiseases",
        "394810000": "Rheumatology",
        "394814009": "Family/GeneralPractice",
        "394914008": "Radiology",
        "394915009": "Pathology",
        "408443003": "Family/GeneralPractice",
        "408459003": "Cardiology-Pediatric",
        "408464004": "Surgery-Colon&Rectal",
        "408466002": "Surgery-Cardiovascular",
        "408470005": "Obstetrics",
        "418112009": "Pulmonology",
        "418960008": "Otolaryngology",
        "419170002": "Pediatrics-Pulmonology",
        "419192003": "InternalMedicine",
        "419610006": "Pediatrics-Endocrinology",
        "419772000": "Family/GeneralPractice",
    },
}

A1C = frozenset({"4548-4", "17856-6"})
GLUCOSE = frozenset({"2345-7", "2339-0"})
WEIGHT = frozenset({"29463-7", "3141-9"})
#: Unit (UCUM) -> factor and offset to the contract's unit, by column.
UNITS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    # IFCC to NGSP: the master equation of the National Glycohemoglobin Standardization Program.
    "A1Cresult": {"%": (1.0, 0.0), "mmol/mol": (0.09148, 2.152)},
    "max_glu_serum": {"mg/dL": (1.0, 0.0), "mmol/L": (18.016, 0.0)},
    "weight": {"[lb_av]": (1.0, 0.0), "kg": (2.204623, 0.0), "g": (0.002204623, 0.0)},
}

#: Frequent diagnoses in SNOMED CT, for problem lists without an ICD code -> ICD-9-CM.
SNOMED_DIAGNOSES: Mapping[str, str] = {
    "44054006": "250.00",
    "46635009": "250.01",
    "73211009": "250.00",
    "84114007": "428",
    "42343007": "428",
    "38341003": "401",
    "59621000": "401",
    "13645005": "496",
    "195967001": "493",
    "22298006": "410",
    "709044004": "585",
    "233604007": "486",
    "53741008": "414",
    "414545008": "414",
    "49436004": "427",
    "55822004": "272",
    "230690007": "434",
    "271737000": "285",
    "68566005": "599",
}
#: Diabetes itself; the model knows no other patients.
DIABETES: Mapping[str, tuple[str, ...]] = {"9cm": ("250",), "10cm": ("E08", "E09", "E10", "E11", "E13")}
SNOMED_DIABETES = frozenset({"44054006", "46635009", "73211009"})
#: Outcome of the prediction: hospital re-admission.
READMISSION = "417005"
