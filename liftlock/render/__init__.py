"""From (releases, environment, stack) to Kubernetes manifests: deterministic, and valid against strict schemas."""

from liftlock.render.manifests import Scene, namespace, render_manifests, render_runtime

__all__ = ["Scene", "namespace", "render_manifests", "render_runtime"]
