"""Diagnoses that the form offers by code and name: the most frequent ones of the data set, four of five entries.

Any other code of the chosen code system can be typed. The names are those of ICD-9-CM, shortened; a code of ICD-10-CM
has the name of the code that the model reads in its place.
"""

from collections.abc import Mapping

from readmission import contract
from readmission.contract import icd
from serving.demo.language import tr

#: Codes by how often the data set has them.
COMMON: Mapping[str, str] = {
    "428": "Heart failure",
    "250": "Diabetes mellitus",
    "276": "Disorders of fluid, electrolyte and acid-base balance",
    "414": "Chronic ischemic heart disease",
    "401": "Essential hypertension",
    "427": "Cardiac dysrhythmias",
    "599": "Urinary tract infection and other urinary disorders",
    "496": "Chronic airway obstruction (COPD)",
    "403": "Hypertensive chronic kidney disease",
    "486": "Pneumonia, organism unspecified",
    "786": "Symptoms of the respiratory system, chest pain",
    "780": "General symptoms",
    "491": "Chronic bronchitis",
    "410": "Acute myocardial infarction",
    "682": "Cellulitis and abscess",
    "584": "Acute kidney failure",
    "250.02": "Diabetes type II, uncontrolled",
    "585": "Chronic kidney disease",
    "707": "Chronic ulcer of skin",
    "518": "Other diseases of lung, respiratory failure",
    "411": "Other acute ischemic heart disease",
    "250.6": "Diabetes with neurological manifestations",
    "285": "Other and unspecified anemias",
    "996": "Complications of devices, implants and grafts",
    "425": "Cardiomyopathy",
    "493": "Asthma",
    "250.01": "Diabetes type I",
    "715": "Osteoarthrosis",
    "272": "Disorders of lipid metabolism",
    "38": "Septicemia",
    "424": "Other diseases of endocardium, valve disorders",
    "434": "Occlusion of cerebral arteries, stroke",
    "250.8": "Diabetes with other specified manifestations",
    "V45": "Postsurgical states",
    "998": "Other complications of procedures",
    "305": "Nondependent abuse of drugs, tobacco use",
    "577": "Diseases of pancreas",
    "560": "Intestinal obstruction",
    "413": "Angina pectoris",
    "440": "Atherosclerosis",
    "574": "Gallstones",
    "530": "Diseases of esophagus",
    "278": "Obesity",
    "280": "Iron deficiency anemias",
    "562": "Diverticula of intestine",
    "296": "Episodic mood disorders",
    "578": "Gastrointestinal hemorrhage",
    "V57": "Rehabilitation",
    "789": "Symptoms of abdomen and pelvis",
    "511": "Pleurisy, pleural effusion",
    "435": "Transient cerebral ischemia",
    "295": "Schizophrenic disorders",
    "402": "Hypertensive heart disease",
    "820": "Fracture of neck of femur",
    "250.7": "Diabetes with circulatory disorders",
    "197": "Secondary malignant neoplasm, respiratory and digestive",
    "41": "Bacterial infection in other conditions",
    "997": "Complications of body systems after procedures",
    "453": "Other venous embolism and thrombosis",
    "433": "Stenosis of precerebral arteries",
    "722": "Intervertebral disc disorders",
    "162": "Lung cancer",
    "785": "Symptoms of the cardiovascular system",
    "571": "Chronic liver disease and cirrhosis",
    "250.13": "Diabetes with ketoacidosis, type I uncontrolled",
    "535": "Gastritis and duodenitis",
    "8": "Intestinal infections",
    "507": "Aspiration pneumonia",
    "V58": "Encounter for other procedures and aftercare",
    "250.4": "Diabetes with renal manifestations",
    "426": "Conduction disorders",
    "458": "Hypotension",
    "787": "Symptoms of the digestive system",
    "198": "Secondary malignant neoplasm, other sites",
    "287": "Purpura and other hemorrhagic conditions",
    "788": "Symptoms of the urinary system",
    "733": "Osteoporosis, pathological fracture",
    "724": "Disorders of back",
    "648": "Conditions complicating pregnancy",
    "250.11": "Diabetes with ketoacidosis, type I",
    "244": "Acquired hypothyroidism",
    "250.82": "Diabetes with other manifestations, type II uncontrolled",
    "799": "Ill-defined causes",
    "438": "Late effects of cerebrovascular disease",
    "730": "Osteomyelitis",
    "536": "Disorders of function of stomach",
    "70": "Viral hepatitis",
    "404": "Hypertensive heart and chronic kidney disease",
    "415": "Pulmonary embolism, acute pulmonary heart disease",
}
#: Codes of ICD-10-CM for the same diseases.
COMMON_ICD10: tuple[str, ...] = (
    "I50.9",
    "E11.9",
    "E87.1",
    "I25.10",
    "I10",
    "I48.91",
    "N39.0",
    "J44.9",
    "I12.9",
    "J18.9",
    "R07.9",
    "R55",
    "J44.1",
    "I21.4",
    "L03.115",
    "N17.9",
    "E11.65",
    "N18.6",
    "L97.509",
    "J96.01",
    "I20.0",
    "E11.40",
    "D64.9",
    "T82.855A",
    "I42.9",
    "J45.909",
    "E10.9",
    "M17.11",
    "E78.5",
    "A41.9",
    "I35.0",
    "I63.9",
    "Z95.1",
    "K85.90",
    "K56.609",
    "I20.9",
    "I70.219",
    "K80.20",
    "K21.9",
    "E66.9",
    "D50.9",
    "K57.30",
    "F32.9",
    "K92.2",
    "G45.9",
    "I11.0",
    "S72.001A",
    "E11.51",
    "I82.401",
    "C34.90",
    "J69.0",
    "E11.21",
    "I95.9",
    "E03.9",
    "M86.9",
    "I26.99",
)


def name_of(code: str, system: icd.System = "9cm") -> str:
    """Return the name of a code or of its category; empty if neither has one here."""
    if system == "10cm":
        return "" if icd.refusal(code, system) else name_of(icd.to_icd9(code, system))
    name = COMMON.get(code) or COMMON.get(code.partition(".")[0])
    return tr(name) if name else ""


def describe(code: str, system: icd.System = "9cm") -> str:
    """Return a code with its name, as ``428 · Heart failure``; a code without a name here alone."""
    name = name_of(code, system)
    return f"{code} · {name}" if name else code


def translated(record: Mapping[str, str | int]) -> dict[str, str]:
    """Return what the model reads in place of the diagnoses of ICD-10-CM, by column; refused codes are left out.

    Args:
        record: A request. One in ICD-9-CM has nothing to translate.
    """
    if record.get(contract.ICD.name) != "10cm":
        return {}
    codes = {name: str(record.get(name, "")) for name in contract.DIAGNOSES}
    return {name: icd.to_icd9(code, "10cm") for name, code in codes.items() if icd.refusal(code, "10cm") is None}
