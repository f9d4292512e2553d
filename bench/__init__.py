"""Ratios of two things measured in one run, each with its target."""
