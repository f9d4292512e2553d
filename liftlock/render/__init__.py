"""From (releases, environment, stack) to Kubernetes manifests: deterministic, and valid against strict schemas."""

from liftlock.render.manifests import Scene, render_manifests

__all__ = ["Scene", "render_manifests"]
