"""The peers of `npm run bench:gpu`: the published loss, torch.compile's best formulation, and plain matrix products.

One JSON object a line, as native/test/gpu_bench.cu prints them. `gpu.py cpu 64` tries the script on the CPU, at
shapes of at most 64 rows.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from distance import gram_distance
from loss import arsinh_by_logarithm, one_matrix, pairwise_views
from published import published_distance

SETTINGS = {"tauE": 0.05, "tauH": 0.2, "lambda": 3.0, "c": 0.1}
BATCHES = [(2, 450, 128), (9, 100, 128), (2, 2048, 128)]


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def milliseconds(run: Callable[[], object], device: str) -> float:
    """The median over batches of the time of a call."""

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
    """A peer that cannot run here is told, and the others go on."""
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
        "torch.compile, logarithm": lambda: both(torch.compile(one_matrix(params, arsinh_by_logarithm), dynamic=False)),
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


def main() -> None:
    device = sys.argv[1] if len(sys.argv) > 1 else "cuda"
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    torch.backends.cuda.matmul.allow_tf32 = False  # float32-accurate, as horoball's
    torch.set_default_device(device)
    torch.manual_seed(1)
    name = "cpu" if device == "cpu" else torch.cuda.get_device_name()
    print(json.dumps({"about": {"torch": torch.__version__, "device": name}}), flush=True)
    for views, classes, dim in BATCHES if most > 64 else [(2, most // 2, 16)]:
        loss_peers(views, classes, dim, device)
    for n in (1024, 8192, 16384) if most > 64 else (most,):
        products(n, 128, device)


if __name__ == "__main__":
    main()
