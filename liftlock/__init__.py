"""Liftlock: take a model service from a directory through dev, staging and prod, each step gated by a load test."""

__version__ = "0.1.0"
