"""Starts the build. What the package is called, needs and installs is in pyproject.toml."""

from setuptools import setup

setup()
