"""The definition of a peer, and the list of peers that the worker offers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Params = dict[str, Any]
Inputs = dict[str, np.ndarray]


@dataclass
class Peer:
    """`run` is one timed call; `probe` turns its answer into a few numbers to compare with horoball's."""

    run: Callable[[], Any]
    probe: Callable[[Any], list[float]]
    note: str = ""


Maker = Callable[[Inputs, Params], Peer]
PEERS: dict[str, Maker] = {}


def peer(name: str) -> Callable[[Maker], Maker]:
    def add(maker: Maker) -> Maker:
        PEERS[name] = maker
        return maker

    return add


class NotHere(Exception):
    """The peer cannot be measured on this machine; the message says why."""
