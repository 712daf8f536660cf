"""`SchemaLog`: what the log says of values and fields that do not match the schema, each once a stream."""

import logging
from typing import Any

MAX_UNKNOWN = 50
"""Unknown fields that are named in the log; an API may invent new ones in every row."""


class SchemaLog:
    """Logs for one stream what does not match its schema."""

    def __init__(self, stream: str, logger: logging.Logger, nulled: set[str]) -> None:
        """
        :param nulled: collects the paths of fields whose values became null
        """
        self._stream = stream
        self._logger = logger
        self._unknown: set[str] = set()
        self._nulled = nulled
        self._has_left_out = False

    def became_null(self, path: str, wanted: str, value: Any) -> None:
        """A value became null, because it can't be coerced to the wanted type."""
        if path not in self._nulled:
            self._nulled.add(path)
            self._logger.warning(
                f"{self._stream}: {path} should be {wanted} but came as {type(value).__name__}; such values become null."
            )

    def left_out(self, row: Any) -> None:
        """A row can't be emitted, because it is not an object."""
        if not self._has_left_out:
            self._has_left_out = True
            self._logger.warning(
                f"{self._stream}: a row should be an object but came as {type(row).__name__}; such rows are left out."
            )

    def unknown(self, names: set[str]) -> None:
        """A row has top-level fields that the schema does not have."""
        new = names - self._unknown
        if new and len(self._unknown) < MAX_UNKNOWN:
            self._unknown |= new
            shown = ", ".join(sorted(name[:60] for name in new)[:MAX_UNKNOWN])
            self._logger.info(f"{self._stream}: fields that the schema does not know are passed on: {shown}.")
