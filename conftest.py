"""Loads the plugin that the standard tests need, whether or not `-p integration_tests.acceptance` asks for it."""

pytest_plugins = ["integration_tests.acceptance"]
