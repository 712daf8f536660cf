"""The package: its version (the only place that states it), what it needs, what it installs."""

from pathlib import Path

from setuptools import find_packages, setup

CDK = "airbyte-cdk>=7.39.1,<7.41"  # the page loop and the checkpoints are its; unit_tests/test_cdk_seams.py watches them

setup(
    name="airbyte-source-retently",
    version="1.0.0",
    description="Airbyte source connector for Retently: NPS, CSAT, CES, STAR and other surveys into a warehouse.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["source_retently", "source_retently.*"]),
    package_data={"source_retently": ["schemas/*.json", "py.typed"]},
    # requests, pydantic, orjson and backoff come with the CDK, in the ranges that it works with.
    install_requires=[CDK],
    extras_require={
        "sandbox": ["starlette>=0.46,<2", "uvicorn>=0.34,<1"],
        "demo": ["airbyte>=0.71,<1", "matplotlib>=3.9,<4", "rich>=13,<16"],
        "test": [
            CDK.replace("airbyte-cdk", "airbyte-cdk[dev]"),
            "airbyte-connector-models>=0.1.12,<1",
            "airbyte-serverless>=0.37,<1",
            "dagster>=1.9,<2",
            "hypothesis>=6.130,<7",
            "jsonschema>=4.23,<5",
            "mypy>=1.15,<3",
            "pip-audit>=2.9,<3",
            "proxy.py>=2.4,<3",
            "pytest-xdist>=3.6,<4",
            "responses>=0.25,<1",
            "ruff>=0.12,<1",
            "trustme>=1.2,<2",
            "types-requests>=2.32,<3",
            "uv>=0.8,<1",
        ],
    },
    entry_points={"console_scripts": ["source-retently=source_retently.run:run"]},
)
