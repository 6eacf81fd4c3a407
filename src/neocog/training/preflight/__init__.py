"""What would go wrong in a training run, found before its first epoch."""

from neocog.training.preflight.check import preflight
from neocog.training.preflight.finding import Finding, Sample

__all__ = ["Finding", "Sample", "preflight"]
