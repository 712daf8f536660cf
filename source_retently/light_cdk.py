"""Imports the CDK without what this connector does not use: two thirds of the start-up.

- `airbyte_cdk/__init__.py` imports the declarative framework, and `requests_cache` all of its back ends, boto3 among them where
  it is installed. An empty package takes the place of each, so that only those submodules are imported that are asked for. An
  attribute that the empty package does not have loads the real one.
- `serpyco_rs` parses the source of each class that it serializes, for docstrings that only its own JSON Schemas show.

Only the connector's and the sandbox's own processes call this: a program that imports `source_retently` gets the CDK as it is.
"""

import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

LIGHT_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "airbyte_cdk": (),
    "requests_cache": ("CacheMixin", "CachedSession", "SQLiteDict"),  # no stream has `use_cache`
}
"""Packages to replace, with the classes that the CDK needs at its import; empty ones stand in for them."""


class _LightPackage(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if submodule := sys.modules.get(f"{self.__name__}.{name}"):
            return submodule  # its import has not ended yet
        spec = self.__spec__
        if spec is None or spec.loader is None or name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def use_light_cdk() -> None:
    """Prepares the import of the CDK; without effect on what has been imported before."""
    for name, classes in LIGHT_PACKAGES.items():
        if name not in sys.modules and (spec := find_spec(name)):
            package = sys.modules[name] = module_from_spec(spec)
            vars(package).update({kind: type(kind, (), {}) for kind in classes})
            package.__class__ = _LightPackage
    with suppress(ImportError):  # not every version of serpyco_rs needs it
        import attributes_doc

        real, attributes_doc.get_attributes_doc = attributes_doc.get_attributes_doc, lambda cls: {}
        try:
            import serpyco_rs  # noqa: F401
        finally:
            attributes_doc.get_attributes_doc = real
