"""Promotion and rollback: what `rollout` decides, carried out as commits and waited for."""
