"""Imports the CDK without what this connector does not use: half of the start-up.

- `airbyte_cdk/__init__.py` imports the declarative framework. An empty package takes its place, so that only those
  submodules are imported that are asked for. An attribute that the empty package does not have loads the real one.
- `airbyte_cdk.models` makes eight serializers, of which a command uses one to three. Each is made on its first use instead.

Only `run` calls this, for a process of its own: a program that imports `source_retently` gets the CDK as it is.
"""

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

NAME = "airbyte_cdk"


class _LightPackage(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if submodule := sys.modules.get(f"{NAME}.{name}"):
            return submodule  # its import has not ended yet
        spec = self.__spec__
        if spec is None or spec.loader is None or name.startswith("__"):
            raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


class _LazySerializer:
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._arguments = arguments, options

    def __class_getitem__(cls, _: Any) -> Any:
        return cls

    def __getattr__(self, name: str) -> Any:
        import serpyco_rs

        arguments, options = self._arguments
        real = serpyco_rs.Serializer(*arguments, **options)
        self.load, self.dump = real.load, real.dump
        return getattr(real, name)


def use_light_cdk() -> None:
    """Prepares the import of the CDK; without effect where it has been imported before."""
    spec = None if NAME in sys.modules else find_spec(NAME)
    if spec is None:
        return
    package = module_from_spec(spec)
    package.__class__ = _LightPackage
    sys.modules[NAME] = package
    import serpyco_rs

    real = serpyco_rs.Serializer
    serpyco_rs.Serializer = _LazySerializer  # type: ignore[misc,assignment]
    try:
        import airbyte_cdk.models  # noqa: F401
    finally:
        serpyco_rs.Serializer = real  # type: ignore[misc]
