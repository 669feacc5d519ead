"""Write the trees of every tree family as one LightGBM text model, so that one engine serves them all.

A comparison is kept exactly: LightGBM asks `x <= threshold` on doubles. sklearn's trees ask the same of
float32 numbers; XGBoost asks `x < threshold` on float32, which is `x <= the float32 below it`.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: LightGBM's decision_type: NaN goes a way of its own (2 << 2), to the left if bit 1 is set.
_MISSING_IS_NAN, _MISSING_LEFT = 8, 2


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One tree by its nodes. Node 0 is the root; a child of -1 makes a leaf.

    Attributes:
        left, right: Children of each node.
        feature, threshold: Feature and threshold of each inner node; `x <= threshold` goes left.
        missing_left: Whether NaN goes left.
        value: Value of each leaf.
        count: Number of training rows of each node, for TreeSHAP.
    """

    left: Sequence[int]
    right: Sequence[int]
    feature: Sequence[int]
    threshold: Sequence[float]
    missing_left: Sequence[bool]
    value: Sequence[float]
    count: Sequence[float]


@dataclass(frozen=True)
class Ensemble:
    """Trees as blocks of text, one list per output.

    Attributes:
        blocks: Trees of each output.
        base: Number added to each output's sum.
        single: Whether features are compared as float32.
    """

    blocks: Sequence[Sequence[str]]
    base: tuple[float, ...]
    single: bool


def of_lightgbm(boosters: Sequence[Any], positions: Sequence[int]) -> Ensemble:
    """Take over the trees of LightGBM boosters, one output each.

    Args:
        boosters: `lightgbm.Booster`, binary or regression.
        positions: Position of each feature in the scorer's row.

    Raises:
        ValueError: Linear trees, or an objective whose sigmoid is not 1.
    """
    return Ensemble([_blocks(booster, positions) for booster in boosters], (0.0,) * len(boosters), False)


def _blocks(booster: Any, positions: Sequence[int]) -> list[str]:
    text = booster.model_to_string(num_iteration=-1)
    header, _, rest = text.partition("\nTree=")
    if "\nnum_tree_per_iteration=1\n" not in header or "\nobjective=binary sigmoid:1\n" not in header:
        raise ValueError("only binary LightGBM models with sigmoid 1 can be taken over")
    blocks = []
    for part in rest.partition("\nend of trees")[0].split("\nTree="):
        body = part.partition("\n")[2].strip()
        if "\nis_linear=1" in body:
            raise ValueError("linear trees cannot be taken over")
        blocks.append(re.sub(r"(?m)^split_feature=(.*)$", lambda m: _moved(m[1], positions), body))
    return blocks


def _moved(indices: str, positions: Sequence[int]) -> str:
    return "split_feature=" + " ".join(str(positions[int(i)]) for i in indices.split())


def scaled(block: str, factor: float) -> str:
    """Return a tree whose leaves are multiplied by a factor."""
    if factor == 1.0:
        return block
    return re.sub(
        r"(?m)^leaf_value=(.*)$",
        lambda m: "leaf_value=" + " ".join(repr(factor * float(v)) for v in m[1].split()),
        block,
    )


def of_xgboost(models: Sequence[Any], positions: Sequence[int]) -> Ensemble:
    """Translate fitted binary `XGBClassifier` models, one output each."""
    blocks, base = [], []
    for model in models:
        learner = json.loads(model.get_booster().save_raw("json"))["learner"]
        prior = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
        base.append(math.log(prior / (1.0 - prior)))
        trees = learner["gradient_booster"]["model"]["trees"]
        blocks.append([_write(_xgboost_tree(tree), positions) for tree in trees])
    return Ensemble(blocks, tuple(base), True)


def _xgboost_tree(tree: dict[str, Any]) -> Tree:
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
    below = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
    return Tree(
        left=tree["left_children"],
        right=tree["right_children"],
        feature=tree["split_indices"],
        threshold=below.tolist(),
        missing_left=[bool(flag) for flag in tree["default_left"]],
        value=conditions.astype(np.float64).tolist(),
        count=[1000.0 * cover for cover in tree["sum_hessian"]],
    )


def of_forest(trees: Sequence[Any], classes: int, positions: Sequence[int]) -> Ensemble:
    """Translate sklearn decision trees whose class fractions are averaged: an output a class."""
    blocks: list[list[str]] = [[] for _ in range(classes)]
    for estimator in trees:
        tree = estimator.tree_
        for k in range(classes):
            node = Tree(
                left=tree.children_left,
                right=tree.children_right,
                feature=tree.feature,
                threshold=tree.threshold,
                missing_left=tree.missing_go_to_left,
                value=tree.value[:, 0, k] / len(trees),
                count=tree.n_node_samples,
            )
            blocks[k].append(_write(node, positions))
    return Ensemble(blocks, (0.0,) * classes, True)


def of_histogram(model: Any, positions: Sequence[int], fill: float) -> Ensemble:
    """Translate a fitted multiclass `HistGradientBoostingClassifier`: an output a class.

    Args:
        model: The classifier.
        positions: Position of each feature in the scorer's row.
        fill: The number that stood for NaN in its matrix; NaN now goes where that number went.

    Raises:
        ValueError: The model has categorical splits.
    """
    classes = len(model.classes_)
    blocks: list[list[str]] = [[] for _ in range(classes)]
    for iteration in model._predictors:
        for k, predictor in enumerate(iteration):
            blocks[k].append(_write(_histogram_tree(predictor.nodes, fill), positions))
    return Ensemble(blocks, tuple(map(float, model._baseline_prediction.ravel())), False)


def _histogram_tree(nodes: npt.NDArray[Any], fill: float) -> Tree:
    if nodes["is_categorical"].any():
        raise ValueError("categorical splits cannot be translated")
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)).tolist(),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)).tolist(),
        feature=nodes["feature_idx"].tolist(),
        threshold=nodes["num_threshold"].tolist(),
        missing_left=(fill <= nodes["num_threshold"]).tolist(),
        value=nodes["value"].tolist(),
        count=nodes["count"].tolist(),
    )


def _write(tree: Tree, positions: Sequence[int]) -> str:
    """Return one tree as a block of LightGBM text: inner nodes and leaves are numbered apart."""
    inner = [i for i, child in enumerate(tree.left) if child >= 0]
    leaves = [i for i, child in enumerate(tree.left) if child < 0]
    if not inner:
        return _leaf(float(tree.value[0]))
    name = {node: i for i, node in enumerate(inner)} | {node: ~i for i, node in enumerate(leaves)}
    kinds = (_MISSING_IS_NAN | (_MISSING_LEFT if tree.missing_left[i] else 0) for i in inner)
    lines: dict[str, list[object]] = {
        "num_leaves": [len(leaves)],
        "num_cat": [0],
        "split_feature": [positions[tree.feature[i]] for i in inner],
        "split_gain": [0] * len(inner),
        "threshold": [_number(tree.threshold[i]) for i in inner],
        "decision_type": list(kinds),
        "left_child": [name[int(tree.left[i])] for i in inner],
        "right_child": [name[int(tree.right[i])] for i in inner],
        "leaf_value": [_number(tree.value[i]) for i in leaves],
        "leaf_weight": [0] * len(leaves),
        "leaf_count": [max(1, round(tree.count[i])) for i in leaves],
        "internal_value": [0] * len(inner),
        "internal_weight": [0] * len(inner),
        "internal_count": [max(1, round(tree.count[i])) for i in inner],
        "is_linear": [0],
        "shrinkage": [1],
    }
    return "\n".join(f"{key}={' '.join(map(str, values))}" for key, values in lines.items())


def _leaf(value: float) -> str:
    return f"num_leaves=1\nnum_cat=0\nleaf_value={_number(value)}\nis_linear=0\nshrinkage=1"


def _number(value: float) -> str:
    # LightGBM reads no "inf"; its own largest threshold does the same.
    return repr(max(-1e300, min(1e300, float(value))))


#: Tree that adds nothing, where an output has fewer trees than another.
EMPTY = _leaf(0.0)


def text_model(ensemble: Ensemble, width: int) -> str:
    """Return the whole text model: outputs interleaved, the shorter filled up with empty trees."""
    rounds = max(len(blocks) for blocks in ensemble.blocks)
    outputs = len(ensemble.blocks)
    blocks = [chosen[i] if i < len(chosen) else EMPTY for i in range(rounds) for chosen in ensemble.blocks]
    header = [
        "tree",
        "version=v4",
        f"num_class={outputs}",
        f"num_tree_per_iteration={outputs}",
        "label_index=0",
        f"max_feature_idx={width - 1}",
        "feature_names=" + " ".join(f"f{i}" for i in range(width)),
        "feature_infos=" + " ".join(["[-inf:inf]"] * width),
    ]
    body = (f"Tree={i}\n{block}\n\n" for i, block in enumerate(blocks))
    return "\n".join(header) + "\n\n" + "\n".join(body) + "\nend of trees\n"
