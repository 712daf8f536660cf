"""`make probe`: finds out from a real account what docs/api.md#contradictions leaves open. Not part of the package."""
