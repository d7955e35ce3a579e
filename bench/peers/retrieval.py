"""Retrieval metrics of a whole set: the calculator of pytorch-metric-learning with faiss."""

from __future__ import annotations

import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from registry import Inputs, Params, Peer, peer

NAMES = ("precision_at_1", "r_precision", "mean_average_precision_at_r")


@peer("pytorch-metric-learning AccuracyCalculator")
def accuracy_calculator(inputs: Inputs, params: Params) -> Peer:
    rows, labels = torch.from_numpy(inputs["x"]), torch.from_numpy(inputs["labels"])
    calculator = AccuracyCalculator(include=NAMES, k="max_bin_count", device=torch.device("cpu"))
    return Peer(lambda: calculator.get_accuracy(rows, labels), lambda found: [found[name] for name in NAMES])
