"""Ids are unique, in order of time, and tell their time."""

from serving.prediction_log import ids
from serving.prediction_log.ids import Ids, moment


def test_ids_are_unique_and_tell_their_time() -> None:
    makers = [Ids(), Ids()]
    made = []
    for _ in range(2000):
        for maker in makers:
            at = maker.tick()
            made.append(maker.new())
            when = moment(made[-1])
            assert when is not None and int(when.timestamp() * 1000 + 0.5) == at
    assert len(set(made)) == 4000


def test_ids_of_a_batch_come_from_the_same_counter_past_its_end_too() -> None:
    maker = Ids()
    maker.tick()
    maker._next = ids._WRAP - 3
    batch = [maker.new(), *maker.many(4), maker.new()]
    assert [int(prediction_id[-6:], 16) for prediction_id in batch] == [2**24 - 2, 2**24 - 1, 0, 1, 2, 3]
    assert all(moment(prediction_id) == moment(batch[0]) for prediction_id in batch)


def test_what_is_not_one_of_our_ids_has_no_moment() -> None:
    prediction_id = "01890000-0000-7abc-8000-00000000000a"
    assert moment(prediction_id) is not None
    for wrong in ("", "x" * 36, prediction_id[:-1], prediction_id.upper(), prediction_id.replace("-7", "-4")):
        assert moment(wrong) is None
