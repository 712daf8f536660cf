"""`make probe`: asks an account what docs/api.md#contradictions leaves open. Not part of the package."""
