"""The peers of `npm run bench:gpu` in torch and timm: the loss, matrix products, and a training step.

Prints one JSON object per line, like native/test/gpu_bench.cu. `gpu.py kernels --device cpu --most 64` runs the loss and the
products on the CPU, with at most 64 rows; `gpu.py training --device cpu --most 64` runs the step, with 64 images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from distance import gram_distance
from loss import one_matrix, pairwise_views
from published import published_distance

SETTINGS = {"tauE": 0.05, "tauH": 0.2, "lambda": 3.0, "c": 0.1}
BATCHES = [(2, 450, 128), (9, 100, 128), (2, 2048, 128)]
NANO = {"imgSize": 48, "patchSize": 8, "embedDim": 128, "depth": 4, "numHeads": 4}
SMALL = {"imgSize": 224, "patchSize": 16, "embedDim": 384, "depth": 12, "numHeads": 6}
# The training steps to time, as in bench/gpu-train.ts: name, network, precision, images per step.
STEPS = [
    ("vit_small_patch16_224", SMALL, "bfloat16", 900),
    ("vit_small_patch16_224", SMALL, "float32", 900),
    ("vit_nano", NANO, "bfloat16", 96),
]


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def milliseconds(run: Callable[[], object], device: str) -> float:
    """The time of a call: the median over batches of calls."""

    def batch(calls: int) -> float:
        begin = time.perf_counter()
        for _ in range(calls):
            run()
        wait(device)
        return (time.perf_counter() - begin) * 1e3 / calls

    batch(3)
    calls = max(1, min(200, int(100 / max(batch(1), 1e-3))))
    return statistics.median(batch(calls) for _ in range(7))


def say(side: str, op: str, shape: str, ms: float, flops: float) -> None:
    print(json.dumps({"side": side, "op": op, "shape": shape, "ms": ms, "gflops": flops / ms / 1e6}), flush=True)


def attempt(side: str, op: str, shape: str, flops: float, device: str, build: Callable[[], Callable[[], object]]) -> None:
    """Times a peer and prints its row. Only reports an error of a peer that cannot run here, so that the others still run."""
    try:
        say(side, op, shape, milliseconds(build(), device), flops)
    except Exception as error:  # noqa: BLE001
        first = (str(error) or type(error).__name__).splitlines()[0]
        print(f"{side}, {op}, {shape}: {first}", file=sys.stderr)


def loss_peers(views: int, classes: int, dim: int, device: str) -> None:
    e = torch.nn.functional.normalize(torch.randn(views * classes, dim), dim=1).requires_grad_()
    h = (0.97 * torch.nn.functional.normalize(torch.randn(views * classes, dim), dim=1)).requires_grad_()
    params = {**SETTINGS, "views": views}
    flops = 2 * 3 * 2.0 * (views * classes) ** 2 * dim

    def both(loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Callable[[], object]:
        def run() -> None:
            e.grad = h.grad = None
            loss(e, h).backward()

        return run

    peers: dict[str, Callable[[], Callable[[], object]]] = {
        "published code": lambda: both(pairwise_views(published_distance()[0], params)),
        "torch eager, one matrix": lambda: both(one_matrix(params)),
        "torch.compile, one matrix": lambda: both(torch.compile(one_matrix(params), dynamic=False)),
    }
    if views == 2:
        peers["torch.compile, pair blocks"] = lambda: both(
            torch.compile(pairwise_views(gram_distance, params), dynamic=False)
        )
    for side, build in peers.items():
        attempt(side, "loss", f"{views} x {classes} x {dim}", flops, device, build)


def products(n: int, dim: int, device: str) -> None:
    x = torch.randn(n, dim)
    y = torch.randn(n, dim)
    out = torch.empty(n, n)
    attempt(
        "torch.mm, float32", "pairwise", f"{n} x {n} x {dim}", 2.0 * n * n * dim, device,
        lambda: lambda: torch.mm(x, y.T, out=out),
    )


def step_flops(vit: dict[str, int], images: int) -> float:
    """Operations of the matrix products in the blocks, forward and twice that backward: 12 width^2 per token, and
    attention."""
    tokens, width = (vit["imgSize"] // vit["patchSize"]) ** 2 + 1, vit["embedDim"]
    return 3 * 2.0 * images * vit["depth"] * tokens * width * (12 * width + 2 * tokens)


def training(name: str, vit: dict[str, int], precision: str, batch: int, device: str) -> None:
    from vision import Trainer  # imports timm and torchvision, which the kernel peers do not need

    params = {**SETTINGS, **vit, "dim": 128, "views": 2, "precision": precision}
    size = vit["imgSize"]

    def steps(compiled: bool) -> Callable[[], object]:
        trainer = Trainer(params, compiled)
        images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, device="cpu")
        if device != "cpu":
            images = images.pin_memory()

        def run() -> None:
            sent = images.to(device, non_blocking=True)
            trainer.step(sent.permute(0, 3, 1, 2).float().div_(127.5).sub_(1))

        return run

    for side, compiled in (("timm, torch.compile", True), ("timm, eager", False)):
        attempt(
            side, f"training step, {precision}", f"{name} x {batch}", step_flops(vit, batch), device,
            lambda compiled=compiled: steps(compiled),
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--most", type=int, default=1_000_000, help="rows or images at most")
    parser.add_argument("what", choices=["kernels", "training"])
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    device, small = asked.device, asked.most <= 64
    if device != "cpu" and not torch.cuda.is_available():
        sys.exit("torch sees no CUDA device here")
    torch.backends.cuda.matmul.allow_tf32 = False  # accurate to float32, like horoball
    torch.set_default_device(device)
    torch.manual_seed(1)
    name = "cpu" if device == "cpu" else torch.cuda.get_device_name()
    print(json.dumps({"about": {"torch": torch.__version__, "device": name}}), flush=True)
    if asked.what == "training":
        for name, vit, precision, batch in [("vit_nano", NANO, "float32", asked.most)] if small else STEPS:
            training(name, vit, precision, batch, device)
        return
    for views, classes, dim in [(2, asked.most // 2, 16)] if small else BATCHES:
        loss_peers(views, classes, dim, device)
    for n in (asked.most,) if small else (1024, 8192, 16384):
        products(n, 128, device)


if __name__ == "__main__":
    main()
