"""What replicas cost: on-demand list prices, so that a preview says the order of magnitude and never the bill."""

from __future__ import annotations

from dataclasses import dataclass

from liftlock.spec.gpu import GpuName
from liftlock.spec.model import Gpu, Spec

# EC2 on-demand, Linux, us-east-1, USD an hour; AWS's public price list (aws.amazon.com/ec2/pricing/on-demand).
SOURCE = "EC2 on-demand list prices, us-east-1"
AS_OF = "2026-11"


@dataclass(frozen=True)
class InstancePrice:
    """The instance a class of GPU is cheapest in, per GPU."""

    instance: str
    usd_per_hour: float
    gpus: int = 1

    @property
    def per_gpu(self) -> float:
        """USD an hour for one GPU with its part of the instance."""
        return self.usd_per_hour / self.gpus


GPU_PRICES: dict[GpuName, InstancePrice] = {
    "t4": InstancePrice("g4dn.xlarge", 0.526),
    "a10g": InstancePrice("g5.xlarge", 1.006),
    "l4": InstancePrice("g6.xlarge", 0.8048),
    "l40s": InstancePrice("g6e.xlarge", 1.861),
    "a100": InstancePrice("p4de.24xlarge", 27.44705, gpus=8),
    "h100": InstancePrice("p5.48xlarge", 55.04, gpus=8),
}
# m7i.large: 2 vCPU and 8 GiB for 0.1008 USD an hour.
USD_PER_CORE_HOUR, GIB_PER_CORE = 0.0504, 4.0
# Slices of compute a GPU with MIG has (NVIDIA's MIG user guide).
MIG_SLICES = 7


def gpus_of(gpu: Gpu | None) -> float:
    """GPUs one replica takes: a MIG slice its sevenths; a time-sliced share counts whole, for nobody else need come."""
    if gpu is None:
        return 0.0
    if gpu.sharing == "mig" and gpu.slice:
        return gpu.count * int(gpu.slice.partition("g")[0]) / MIG_SLICES
    return float(gpu.count)


def replica_usd_per_hour(spec: Spec) -> float:
    """USD an hour of one replica: its GPUs' instances, or the larger of its parts of a core's and a memory's price."""
    if spec.gpu is not None:
        return gpus_of(spec.gpu) * GPU_PRICES[spec.gpu.kind].per_gpu
    gib = spec.resources.memory.bytes / 2**30
    return max(spec.resources.cpu.cores, gib / GIB_PER_CORE) * USD_PER_CORE_HOUR
