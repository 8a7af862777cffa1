"""Paths that the service answers under: below a proxy's prefix or not, and with a version of the API or without."""

from starlette.types import Scope

VERSION = "/v1"

PROBES = {"/health/live", "/health/ready", "/metrics"}
"""Paths that say how the service is; machines request them every few seconds."""


def with_version(scope: Scope) -> Scope:
    """The scope of a request whose path may name a version, which is then part of the root path.

    So routes, the links between pages and the API's description stay under the version, and need not know of it.
    """
    if not route_path(scope).startswith(f"{VERSION}/"):
        return scope
    return {**scope, "root_path": scope["root_path"] + VERSION}


def root_path(scope: Scope) -> str:
    """What is before the paths of the service: a proxy's prefix and the version.

    For a request of the page's files, the scope's own root path has their folder too.
    """
    root: str = scope.get("app_root_path", scope["root_path"])
    return root


def route_path(scope: Scope) -> str:
    """The path as the routes have it: without the root path."""
    path: str = scope["path"]
    return path.removeprefix(root_path(scope))
