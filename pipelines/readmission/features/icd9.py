"""Read ICD-9-CM codes: an ordered number, the chapter, and the comorbidity groups a code belongs to.

Groups follow the ICD-9-CM code lists of Charlson and Elixhauser (Quan et al. 2005,
doi:10.1097/01.mlr.0000182534.19832.83), shortened to what the first three diagnoses can show, with the
diabetes subcodes (fourth digit: complication, fifth digit 2 or 3: uncontrolled).

In the data set every code but those of diabetes is cut to three digits (20,594 values have a decimal point, one of them
is not 250). A model that has only seen 428 reads 428.9 as a number beyond it, so the number of a code is read at the
grain of the data and its groups from the whole code. Test rows with decimals added scored a ROC-AUC of 0.671 to 0.680
where the number was that of the whole code, and 0.684 without decimals (docs/data.md#diagnosis-codes).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

#: What the number of a code is read from: its first three digits, as in the data set (all digits of diabetes), or the
#: whole code. Models of versions before the difference was known were trained and are served at the grain "whole".
Grain = Literal["three digits", "whole"]

#: Where the supplementary codes stand on the number line, beyond the 999.99 of the diseases.
V_OFFSET, E_OFFSET = 1000.0, 2000.0

#: The chapters of ICD-9-CM as (name, first number, first number of the next), in their order.
CHAPTERS: tuple[tuple[str, float, float], ...] = (
    ("infectious", 0, 140),
    ("neoplasms", 140, 240),
    ("endocrine", 240, 280),
    ("blood", 280, 290),
    ("mental", 290, 320),
    ("nervous", 320, 390),
    ("circulatory", 390, 460),
    ("respiratory", 460, 520),
    ("digestive", 520, 580),
    ("genitourinary", 580, 630),
    ("pregnancy", 630, 680),
    ("skin", 680, 710),
    ("musculoskeletal", 710, 740),
    ("congenital", 740, 760),
    ("perinatal", 760, 780),
    ("symptoms", 780, 800),
    ("injury", 800, V_OFFSET),
    ("supplementary", V_OFFSET, E_OFFSET),
    ("external", E_OFFSET, math.inf),
)
CHAPTER_NAMES: tuple[str, ...] = tuple(name for name, _, _ in CHAPTERS)

#: Comorbidity group -> ranges of numbers, first included, last excluded; V45.1 is 1045.1.
GROUPS: dict[str, tuple[tuple[float, float], ...]] = {
    "myocardial_infarction": ((410, 411), (412, 413)),
    "ischemic_heart": ((411, 412), (413, 415)),
    "heart_failure": ((398.91, 398.92), (402.01, 402.02), (402.11, 402.12), (402.91, 402.92), (428, 429)),
    "arrhythmia": ((426, 428),),
    "valvular": ((394, 398), (424, 425)),
    "cardiomyopathy": ((425, 426),),
    "pulmonary_circulation": ((415, 418),),
    "peripheral_vascular": ((440, 445), (785.4, 785.5), (1043.4, 1043.5)),
    "cerebrovascular": ((430, 439),),
    "hypertension": ((401, 402),),
    "hypertension_complicated": ((402, 406),),
    "dementia": ((290, 291), (331, 332)),
    "paralysis": ((342, 345),),
    "chronic_pulmonary": ((490, 497), (500, 506)),
    "pneumonia": ((480, 489),),
    "respiratory_failure": ((518.8, 518.9), (799, 800)),
    "rheumatic": ((710, 711), (714, 715), (725, 726)),
    "peptic_ulcer": ((531, 535),),
    "pancreatic": ((577, 578),),
    "liver": ((70, 71), (570, 574)),
    "renal_failure": ((584, 587), (588, 589), (1045.1, 1045.2), (1056, 1057)),
    "cancer": ((140, 196), (200, 209)),
    "metastatic": ((196, 200),),
    "coagulopathy": ((286, 288),),
    "anemia": ((280, 286),),
    "fluid_electrolyte": ((276, 277),),
    "obesity": ((278, 279),),
    "hypothyroid": ((243, 245),),
    "alcohol": ((291, 292), (303, 304), (305, 305.1)),
    "drug_abuse": ((292, 293), (304, 305), (305.2, 306)),
    "psychosis": ((295, 300),),
    "depression": ((300.4, 300.5), (309, 310), (311, 312)),
    "sepsis": ((38, 39), (995.9, 996)),
    "skin_infection_ulcer": ((680, 687), (707, 708)),
    "osteomyelitis": ((730, 731),),
    "complication_of_care": ((996, V_OFFSET),),
    "diabetes_ketoacidosis_coma": ((250.1, 250.4),),
    "diabetes_renal": ((250.4, 250.5),),
    "diabetes_nervous": ((250.6, 250.7),),
    "diabetes_vascular": ((250.7, 250.8),),
    "diabetes_complicated": ((250.4, 251),),
}
#: The groups in their order, and the one that needs the fifth digit.
FLAG_NAMES: tuple[str, ...] = (*GROUPS, "diabetes_uncontrolled")


@dataclass(frozen=True, slots=True)
class Code:
    """Number, chapter and flags of one ICD-9 code.

    Attributes:
        number: The code as a number at its grain: 250.83 -> 250.83, 428.9 -> 428, V45.1 -> 1045, E878 -> 2878; NaN
            when not known.
        chapter: Position in CHAPTER_NAMES, NaN if it is not known.
        flags: 0.0 or 1.0 for each of FLAG_NAMES, from the whole code; all 0.0 when not known.
    """

    number: float
    chapter: float
    flags: tuple[float, ...]


UNKNOWN_CODE = Code(math.nan, math.nan, (0.0,) * len(FLAG_NAMES))


@lru_cache(maxsize=4096)
def parse(code: str, grain: Grain = "three digits") -> Code:
    """Read one code as the contract allows it (`kinds.ICD9_PATTERN`).

    Args:
        code: The code, such as "250.83".
        grain: What its number is read from.

    Raises:
        ValueError: The text is not an ICD-9 code.
    """
    offset = {"V": V_OFFSET, "E": E_OFFSET}.get(code[:1], 0.0)
    # Rounded, so that V45.1 is the same double as the bound written in GROUPS.
    whole = round(offset + float(code[1:] if offset else code), 2)
    chapter = next(i for i, (_, low, high) in enumerate(CHAPTERS) if low <= whole < high)
    groups = [any(low <= whole < high for low, high in ranges) for ranges in GROUPS.values()]
    diabetes = 250 <= whole < 251
    uncontrolled = diabetes and code[5:6] in ("2", "3") and len(code) == 6
    number = whole if diabetes or grain == "whole" else float(math.floor(whole))
    return Code(number, float(chapter), tuple(map(float, (*groups, uncontrolled))))
