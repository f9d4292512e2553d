"""What our model server costs beside stock KServe's with the same model, and beside next to nothing."""

from bench.serving.compare import measure

__all__ = ["measure"]
