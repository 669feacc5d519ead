"""Trees of LightGBM taken over into the scorer's row."""

import lightgbm
import numpy as np
import pytest

from readmission.scorer import trees


def booster(objective: str = "binary") -> lightgbm.Booster:
    random = np.random.default_rng(1)
    matrix = random.normal(size=(400, 3))
    y = (matrix[:, 0] + matrix[:, 2] > 0).astype(float)
    params = {"objective": objective, "num_leaves": 4, "verbose": -1}
    return lightgbm.train(params, lightgbm.Dataset(matrix, y), num_boost_round=3)


def test_each_split_asks_for_the_column_where_its_feature_stands() -> None:
    ensemble = trees.of_lightgbm([booster()], positions=[7, 5, 6])
    asked = {
        int(index)
        for block in ensemble.blocks[0]
        for line in block.splitlines()
        if line.startswith("split_feature=")
        for index in line.removeprefix("split_feature=").split()
    }
    assert len(ensemble.blocks[0]) == 3 and {6, 7} <= asked <= {5, 6, 7}


def test_another_objective_is_not_taken_over() -> None:
    with pytest.raises(ValueError, match="only binary"):
        trees.of_lightgbm([booster("regression")], positions=[0, 1, 2])
