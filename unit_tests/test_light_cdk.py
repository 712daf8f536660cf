"""The start-up without what the connector does not use: a CDK in range that needs it fails here first."""

import subprocess
import sys

PRELUDE = (
    "import sys; from source_retently.light_cdk import use_light_cdk; use_light_cdk(); import source_retently.entrypoint; "
)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_the_connector_needs_nothing_of_the_declarative_framework() -> None:
    loaded = "print(any(name.startswith('airbyte_cdk.sources.declarative') for name in sys.modules), len(sys.modules) < 1100)"
    assert python(PRELUDE + loaded) == "False True"


def test_no_source_is_read_for_docstrings_that_nobody_sees() -> None:
    code = "source_retently.entrypoint.launch(['spec']); import linecache; "
    read = "print([name for name in linecache.cache if name.endswith('.py')], file=sys.__stdout__)"
    assert python(PRELUDE + code + read).splitlines()[-1] == "[]"


def test_the_cache_of_the_cdk_is_not_loaded_before_it_is_asked_for() -> None:
    code = "print('requests_cache.backends' in sys.modules); import requests_cache; print(requests_cache.SQLiteCache.__name__)"
    assert python(PRELUDE + code).split() == ["False", "SQLiteCache"]


def test_what_others_expect_of_the_cdk_is_there() -> None:
    uses = "import airbyte_cdk; from airbyte_cdk import AirbyteTracedException, Source; "
    checks = "print(issubclass(source_retently.SourceRetently, Source), hasattr(airbyte_cdk, 'nothing'))"
    assert python(PRELUDE + uses + checks) == "True False"


def test_a_program_that_imports_the_connector_gets_the_cdk_as_it_is() -> None:
    code = "import airbyte_cdk, source_retently; source_retently.SourceRetently(); from types import ModuleType; "
    assert python(code + "print(type(airbyte_cdk) is ModuleType, hasattr(airbyte_cdk, 'AirbyteEntrypoint'))") == "True True"
    code = "import source_retently; source_retently.SourceRetently(); import airbyte_cdk; from types import ModuleType; "
    assert python(code + "print(type(airbyte_cdk) is ModuleType)") == "True"
