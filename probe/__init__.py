"""Finds out which reading of the API's contradictions a real account follows: `make probe`. Not part of the package."""
