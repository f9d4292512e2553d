"""Strict JSON Schemas of every kind that is rendered, made by `generate.py` from the projects' own definitions."""
