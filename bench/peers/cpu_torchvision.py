"""Makes torchvision importable. With a CPU build of torch, a torchvision built for CUDA cannot load its operators, and its
import fails because two of them are not declared. Nothing here uses them. Import this before torchvision or timm."""

import torch

OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
try:
    import torchvision  # noqa: F401
except RuntimeError:
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
