"""Peak memory of one call: the kernel's high-water mark of resident pages, which is reset just before the call."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from registry import NotHere


def _status(field: str) -> int:
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise NotHere(f"{field} is not in /proc/self/status")


def peak_bytes(run: Callable[[], Any]) -> int:
    """The peak memory during a call minus the memory before it, in bytes."""
    gc.collect()
    try:
        with open("/proc/self/clear_refs", "w") as clear:
            clear.write("5")
    except OSError as error:
        raise NotHere(f"peak memory needs /proc/self/clear_refs ({error.strerror})") from error
    before = _status("VmRSS")
    run()
    return max(0, _status("VmHWM") - before)
