"""Airbyte source connector for Retently."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_retently.source import SourceRetently

__all__ = ["SourceRetently"]


def __getattr__(name: str) -> Any:
    # On first use: importing the CDK takes two seconds, and `run` prepares the interpreter for it.
    if name == "SourceRetently":
        from source_retently.source import SourceRetently

        return SourceRetently
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
