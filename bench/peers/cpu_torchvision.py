"""Makes torchvision importable. One built for CUDA cannot load its operators with a CPU build of torch, and then fails to
import because two declarations are missing, which nothing here uses. Import this before torchvision or timm."""

import torch

OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
try:
    import torchvision  # noqa: F401
except RuntimeError:
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
