"""What translation costs: a model of ICD-9-CM codes judged on test encounters whose codes went 9 -> 10 -> 9."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from random import Random

import pandas as pd

from readmission import contract, models
from readmission.contract import icd
from readmission.data import sources
from readmission.evaluation import metrics
from readmission.evaluation.metrics import Scored
from readmission.features import encoding, history
from readmission.settings import load_settings

_FAMILY, _SEED = "lightgbm", 7


def measure(source: str, backward: Mapping[str, Sequence[str]], at_grain: Callable[[str], str]) -> str:
    """Return ROC-AUC of the test split, with its codes as they are and after they went to ICD-10-CM and back.

    The data cuts its codes to three digits. For each, one of the ICD-10-CM codes that the crosswalk gives for the
    whole codes below it is drawn; a code without one stays unknown.

    Args:
        source: Path or URL of the data set. If empty, the setting decides.
        backward: ICD-10-CM codes by ICD-9-CM code, both without dots.
        at_grain: Writes an ICD-9-CM code without dot as the data does.
    """
    data = sources.open_source(load_settings(), source)
    frame = encoding.typed_frame(sources.parse(data.content, data.name)[0].to_pandas())
    frame = frame[~frame["discharge_disposition_id"].isin(contract.EXCLUDED_DISPOSITIONS)]
    # A file has no time of discharge and arrival that could order its visits.
    frame = frame.drop(columns=list(history.TIMES), errors="ignore").sort_values("encounter_id", ignore_index=True)
    frame = history.add(frame)
    split = pd.Series([encoding.split_of(patient) for patient in frame["patient_nbr"]])
    train, test = frame[split == "train"], frame[split == "test"]
    pipeline = models.build(_FAMILY, seed=_SEED).fit(train, encoding.target(train))
    returned, unknown = there_and_back(test, backward, at_grain)
    y, patients = encoding.target(test), test["patient_nbr"].to_numpy()
    before, after = (Scored(y, pipeline.predict_proba(rows), patients) for rows in (test, returned))
    difference = metrics.compare(after, before, "roc_auc_30", 200, _SEED)
    values = [metrics.measure(scored)["roc_auc_30"] for scored in (before, after)]
    return (
        f"{_FAMILY}, {len(test):,} test encounters, ROC-AUC {values[0]:.4f} with their codes, {values[1]:.4f} after "
        f"9 -> 10 -> 9, difference {difference}; {unknown:.2%} of the codes had no way back."
    )


def there_and_back(
    frame: pd.DataFrame, backward: Mapping[str, Sequence[str]], at_grain: Callable[[str], str]
) -> tuple[pd.DataFrame, float]:
    """Return a frame whose diagnoses went to ICD-10-CM and back, and the share of codes that are unknown now.

    Args:
        frame: Typed frame.
        backward: As for `measure`.
        at_grain: As for `measure`.
    """
    choices: dict[str, list[str]] = defaultdict(list)
    for old, news in backward.items():
        choices[at_grain(old)] += news
    random, counts = Random(_SEED), {"all": 0, "unknown": 0}  # noqa: S311 - nothing secret

    def translate(code: object) -> str | None:
        if not isinstance(code, str):
            return None
        counts["all"] += 1
        new = choices.get(code)
        back = icd.to_icd9(drawn, "10cm") if new and not icd.refusal(drawn := random.choice(new), "10cm") else None
        counts["unknown"] += back is None
        return back

    columns = {name: frame[name].map(translate).astype("str") for name in contract.DIAGNOSES}
    return frame.assign(**columns), counts["unknown"] / max(1, counts["all"])
