"""The 31 source attributes keep the groups of the rule."""

from readmission.evaluation import source_attributes
from readmission.evaluation.model_card import Facts
from tests.unit.evaluation.test_dossier import SITE


def test_the_groups_have_as_many_attributes_as_the_rule(facts: Facts) -> None:
    numbers = [each.number.partition(".")[0] for each in source_attributes.attributes(facts, SITE)]
    assert [numbers.count(str(group)) for group in range(1, 10)] == [4, 4, 2, 4, 2, 4, 5, 4, 2]
