"""Drugs for diabetes by their RxNorm ingredients, and the contract's columns of combinations."""

from collections.abc import Mapping

#: RxNorm ingredient -> name. Examide and citoglipton have none: the data set never has them, and neither exists.
INGREDIENTS: Mapping[str, str] = {
    "6809": "metformin",
    "73044": "repaglinide",
    "274332": "nateglinide",
    "2404": "chlorpropamide",
    "25789": "glimepiride",
    "173": "acetohexamide",
    "4821": "glipizide",
    "4815": "glyburide",
    "10635": "tolbutamide",
    "33738": "pioglitazone",
    "84108": "rosiglitazone",
    "16681": "acarbose",
    "30009": "miglitol",
    "72610": "troglitazone",
    "10633": "tolazamide",
    "5856": "insulin",
    "51428": "insulin",
    "86009": "insulin",
    "139825": "insulin",
    "274783": "insulin",
    "400008": "insulin",
    "1670007": "insulin",
}
#: Drugs for diabetes that the data set does not have; they count for `diabetesMed` alone.
OTHER_DIABETES_DRUGS: Mapping[str, str] = {
    "593411": "sitagliptin",
    "857974": "saxagliptin",
    "1100699": "linagliptin",
    "1368001": "alogliptin",
    "60548": "exenatide",
    "475968": "liraglutide",
    "1551291": "dulaglutide",
    "1991302": "semaglutide",
    "2601723": "tirzepatide",
    "1373458": "canagliflozin",
    "1488564": "dapagliflozin",
    "1545653": "empagliflozin",
    "1992672": "ertugliflozin",
    "139953": "pramlintide",
}
#: RxNorm's combinations of ingredients -> the ingredients.
COMBINATIONS: Mapping[str, frozenset[str]] = {
    "285129": frozenset({"glyburide", "metformin"}),
    "352381": frozenset({"glipizide", "metformin"}),
    "647235": frozenset({"glimepiride", "pioglitazone"}),
    "614348": frozenset({"metformin", "rosiglitazone"}),
    "607999": frozenset({"metformin", "pioglitazone"}),
}
#: Ingredients of one product -> the contract's column of it.
COMBINED_COLUMNS: Mapping[frozenset[str], str] = {
    frozenset({"glyburide", "metformin"}): "glyburide-metformin",
    frozenset({"glipizide", "metformin"}): "glipizide-metformin",
    frozenset({"glimepiride", "pioglitazone"}): "glimepiride-pioglitazone",
    frozenset({"metformin", "rosiglitazone"}): "metformin-rosiglitazone",
    frozenset({"metformin", "pioglitazone"}): "metformin-pioglitazone",
}
