"""Distance matrices: the published form, geoopt's, a straightforward efficient form, the Euclidean distance, and a plain
matrix product."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from published import published_distance
from registry import Inputs, NotHere, Params, Peer, peer



def _tensors(inputs: Inputs) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(inputs["x"]), torch.from_numpy(inputs["y"])


def _corner(matrix: Tensor | np.ndarray) -> list[float]:
    """The first entries of the first row and the last entries of the last row."""
    return [float(v) for v in matrix[0][:4]] + [float(v) for v in matrix[-1][-4:]]


def arsinh(x: Tensor) -> Tensor:
    """A form of torch.asinh that torch vectorizes, eager and compiled; accurate for x >= 0 away from 0."""
    return torch.log(x + torch.sqrt(1 + x * x))


def squared_arguments(x: Tensor, y: Tensor, c: float) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The squares u = c |x - y|^2 / ((1 - c |x|^2) (1 - c |y|^2)) of arsinh's arguments, from one matrix product, and
    1 / (1 - c |x|^2) of both sides. The clamp keeps the root's gradient finite."""
    x2, y2 = x.square().sum(1), y.square().sum(1)
    factors = 1 / (1 - c * x2), 1 / (1 - c * y2)
    s = (x2[:, None] + y2 - 2 * (x @ y.T)).clamp_min(1e-12)
    return c * s * (factors[0][:, None] * factors[1]), factors


def gram_distance(x: Tensor, y: Tensor, c: float) -> Tensor:
    """2/sqrt(c) arsinh(sqrt(u))."""
    u, _ = squared_arguments(x, y, c)
    return 2 / math.sqrt(c) * arsinh(u.sqrt())


@peer("torch.cdist")
def cdist(inputs: Inputs, params: Params) -> Peer:
    x, y = _tensors(inputs)
    return Peer(lambda: torch.cdist(x, y), _corner)


@peer("torch gram + arsinh")
def gram(inputs: Inputs, params: Params) -> Peer:
    x, y = _tensors(inputs)
    return Peer(lambda: gram_distance(x, y, params["c"]), _corner)


def _with_gradients(distance: Callable[[Tensor, Tensor], Tensor], inputs: Inputs) -> Peer:
    """The distances and, for a cotangent of ones, the gradients of both sides; returns the norms of the gradients."""
    x, y = (tensor.clone().requires_grad_() for tensor in _tensors(inputs))

    def run() -> tuple[Tensor, Tensor]:
        x.grad = y.grad = None
        distance(x, y).sum().backward()
        return x.grad, y.grad

    return Peer(run, lambda gradients: [float(gradient.norm()) for gradient in gradients])


@peer("torch.cdist with gradients")
def cdist_with_gradients(inputs: Inputs, params: Params) -> Peer:
    return _with_gradients(torch.cdist, inputs)


@peer("torch gram + arsinh with gradients")
def gram_with_gradients(inputs: Inputs, params: Params) -> Peer:
    return _with_gradients(lambda x, y: gram_distance(x, y, params["c"]), inputs)


@peer("torch.compile gram + arsinh")
def compiled_gram(inputs: Inputs, params: Params) -> Peer:
    x, y = _tensors(inputs)
    compiled = torch.compile(gram_distance, dynamic=False)
    return Peer(lambda: compiled(x, y, params["c"]), _corner)


@peer("published dist_matrix")
def published(inputs: Inputs, params: Params) -> Peer:
    x, y = _tensors(inputs)
    distance, source = published_distance()
    return Peer(lambda: distance(x, y, params["c"]), _corner, source)


@peer("geoopt PoincareBall.dist")
def geoopt_distance(inputs: Inputs, params: Params) -> Peer:
    try:
        import geoopt
    except ImportError as error:
        raise NotHere("no geoopt: give its folder with --geoopt DIR") from error
    x, y = _tensors(inputs)
    ball = geoopt.PoincareBall(c=params["c"]).to(x.dtype)
    return Peer(lambda: ball.dist(x[:, None], y[None]), _corner, f"geoopt {geoopt.__version__}")


@peer("torch sgemm")
def torch_gemm(inputs: Inputs, params: Params) -> Peer:
    x, y = _tensors(inputs)
    out = x.new_empty(len(x), len(y))
    return Peer(lambda: torch.mm(x, y.T, out=out), lambda _: [])


@peer("numpy sgemm")
def numpy_gemm(inputs: Inputs, params: Params) -> Peer:
    x, y = inputs["x"], inputs["y"]
    out = np.empty((len(x), len(y)), x.dtype)
    return Peer(lambda: np.matmul(x, y.T, out=out), lambda _: [])
