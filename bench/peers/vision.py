"""The usual training setup in Python: torchvision loading, a timm backbone, the loss in torch, AdamW."""

from __future__ import annotations

import os
from collections.abc import Iterator

import cpu_torchvision  # noqa: F401
import timm
import torch
import torch.nn.functional as F
from loss import one_matrix
from registry import Inputs, Params, Peer, peer
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler
from torchvision import datasets
from torchvision.transforms import v2


class Embedder(nn.Module):
    """Backbone and the published hybrid head: a unit vector, and its point in the ball."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.backbone = timm.models.vision_transformer.VisionTransformer(
            img_size=p["imgSize"],
            patch_size=p["patchSize"],
            embed_dim=p["embedDim"],
            depth=p["depth"],
            num_heads=p["numHeads"],
            num_classes=0,
            global_pool="token",
        )
        self.backbone.patch_embed.requires_grad_(False)
        self.head = nn.Linear(p["embedDim"], p["dim"])
        self.c = p["c"]
        self.half = p["precision"] == "bfloat16"

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.half):
            body = self.backbone(images)
        e = F.normalize(self.head(body.float()), dim=1)
        root = self.c**0.5
        return e, torch.tanh(root * e.norm(dim=1, keepdim=True)) / root * e


class Trainer:
    """Network, loss and optimizer on torch's default device."""

    def __init__(self, p: Params, compiled: bool = False) -> None:
        torch.manual_seed(0)
        self.model = Embedder(p).train()
        self.loss = one_matrix(p)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=3e-5, fused=True)
        if compiled:
            self.model = torch.compile(self.model, dynamic=False)
            self.loss = torch.compile(self.loss, dynamic=False)

    def step(self, images: Tensor) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        value = self.loss(*self.model(images))
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 3)
        self.optimizer.step()
        return float(value.detach())


def _folder(p: Params) -> datasets.ImageFolder:
    """Images as bytes, like those of horoball's loader: both sides normalize them in the step. Crops of tensors take three
    quarters of the time of crops of PIL images."""
    return datasets.ImageFolder(
        p["folder"],
        v2.Compose(
            [
                v2.PILToTensor(),
                v2.RandomResizedCrop(p["imgSize"], scale=(0.2, 1), interpolation=v2.InterpolationMode.BICUBIC),
                v2.RandomHorizontalFlip(),
            ]
        ),
    )


def _batches(p: Params) -> Iterator[Tensor]:
    """Endless batches, decoded in advance by as many processes as there are threads."""
    folder = _folder(p)
    # A DataLoader prefetches nothing across the end of an epoch, so the sampler repeats the few images of the folder.
    sampler = RandomSampler(folder, num_samples=1_000_000)
    workers = int(os.environ["OMP_NUM_THREADS"])
    loader = DataLoader(folder, p["batch"], sampler=sampler, drop_last=True, num_workers=workers, persistent_workers=True)
    while True:
        for images, _ in loader:
            yield images


@peer("torchvision DataLoader")
def loading(inputs: Inputs, params: Params) -> Peer:
    batches = _batches(params)
    return Peer(lambda: next(batches), lambda images: [float(len(images))])


def _step(params: Params, compiled: bool) -> Peer:
    trainer = Trainer(params, compiled)
    images = torch.randn(params["batch"], 3, params["imgSize"], params["imgSize"])
    return Peer(lambda: trainer.step(images), lambda value: [value], f"timm {timm.__version__}")


@peer("timm training step")
def step(inputs: Inputs, params: Params) -> Peer:
    return _step(params, compiled=False)


@peer("timm training step, torch.compile")
def compiled_step(inputs: Inputs, params: Params) -> Peer:
    return _step(params, compiled=True)


@peer("timm training step with torchvision loading")
def step_with_loading(inputs: Inputs, params: Params) -> Peer:
    trainer, batches = Trainer(params), _batches(params)
    return Peer(lambda: trainer.step(next(batches) / 127.5 - 1), lambda value: [value], f"timm {timm.__version__}")
