"""Table of visits without some patients, in the layout that `visits.Visits` reads. Pure."""

from collections.abc import Collection

import numpy as np

from readmission.features import visits


def without_patients(data: bytes, patients: Collection[int]) -> tuple[bytes, int]:
    """Return a table of visits without some patients, and how many of their visits were in it.

    Args:
        data: What `history.join` returned.
        patients: Numbers of the patients. Those who are not in the table change nothing.

    Raises:
        ValueError: It is not a table of visits.
    """
    visits.Visits(data)  # refuses what is not a whole table
    _, count, total, newest = visits.HEAD.unpack_from(data)
    numbers = np.frombuffer(data, np.int64, count, visits.HEAD.size)
    starts = np.frombuffer(data, np.uint32, count + 1, visits.HEAD.size + numbers.nbytes)
    rows = np.frombuffer(data, np.dtype((np.void, visits.ROW.size)), total, len(data) - visits.ROW.size * total)
    stays = ~np.isin(numbers, np.array(sorted(patients), np.int64))
    bounds = starts.astype(np.int64)
    lengths = bounds[1:] - bounds[:-1]
    removed = int(lengths[~stays].sum())
    if not removed:
        return data, 0
    left = rows[np.repeat(stays, lengths)]
    # The newest encounter may have been a removed one, and its number must go too.
    encounters = np.frombuffer(left.tobytes(), np.dtype([("encounter", "=i8"), ("rest", f"V{visits.ROW.size - 8}")]))
    newest = int(encounters["encounter"].max(initial=0))
    ends = np.concatenate(([0], np.cumsum(lengths[stays]))).astype(np.uint32)
    head = visits.HEAD.pack(visits.MAGIC, int(stays.sum()), len(left), newest)
    return b"".join((head, numbers[stays].tobytes(), ends.tobytes(), left.tobytes())), removed
