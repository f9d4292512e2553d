"""GPU classes: the table that specs, rendering and clusters share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GpuName = Literal["t4", "a10g", "l4", "l40s", "a100", "h100"]

# MIG profiles of the 80 GB A100 and H100, from NVIDIA's MIG user guide.
_MIG_80GB = ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")


@dataclass(frozen=True)
class GpuClass:
    """One kind of GPU."""

    product: str
    """The node label `nvidia.com/gpu.product` that GPU feature discovery gives it."""
    memory_gib: int
    mig: tuple[str, ...] = ()
    """The slices it can be cut into; empty where it cannot."""
    most_on_a_node: int = 8


GPU_CLASSES: dict[GpuName, GpuClass] = {
    "t4": GpuClass("Tesla-T4", 16),
    "a10g": GpuClass("NVIDIA-A10G", 24),
    "l4": GpuClass("NVIDIA-L4", 24),
    "l40s": GpuClass("NVIDIA-L40S", 48),
    "a100": GpuClass("NVIDIA-A100-SXM4-80GB", 80, _MIG_80GB),
    "h100": GpuClass("NVIDIA-H100-80GB-HBM3", 80, _MIG_80GB),
}
