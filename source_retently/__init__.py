"""Airbyte source connector for Retently."""

from typing import TYPE_CHECKING

__all__ = ["SourceRetently"]
__version__ = "1.0.0"
"""That of pyproject.toml, also in the image, where the package is not installed."""

if TYPE_CHECKING:
    from source_retently.source import SourceRetently
else:  # hidden from type checkers, for which any other name would exist, too

    def __getattr__(name: str) -> object:
        # On first use: importing the CDK takes two seconds, and `run` prepares the interpreter for it.
        if name == "SourceRetently":
            from source_retently.source import SourceRetently

            return SourceRetently
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
