"""The list of what the image holds, as CycloneDX; the packages of its base are named by the base's digest only."""

import re
from datetime import datetime, timezone
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

from release.build import commit_time, run
from release.version import IMAGE, VERSION, text

ENVIRONMENT = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
"""What decides which lines of requirements.lock the image installs."""


def packages() -> dict[str, str]:
    """The Python packages that the image installs, with their versions."""
    lines = (Requirement(line) for line in re.findall(r"^(\S+==.+?) \\$", text("requirements.lock"), re.MULTILINE))
    return {
        requirement.name: str(requirement.specifier).removeprefix("==")
        for requirement in lines
        if requirement.marker is None or requirement.marker.evaluate(ENVIRONMENT)
    }


def bill_of_materials() -> str:
    """The same text for the same commit."""
    connector = Component(name=IMAGE, version=VERSION, type=ComponentType.APPLICATION, bom_ref=IMAGE)
    base, tag, digest = re.findall(r"^ARG BASE_IMAGE=(.+):(.+)@sha256:(.+)$", text("Dockerfile"), re.MULTILINE)[0]
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
    parts = [Component(name=base, version=tag, type=ComponentType.CONTAINER, hashes=hashes, bom_ref=f"{base}@sha256:{digest}")]
    for name, version in packages().items():
        url = PackageURL("pypi", name=name, version=version)
        parts.append(Component(name=name, version=version, purl=url, bom_ref=str(url)))
    bom = Bom(components=parts, serial_number=uuid5(NAMESPACE_URL, f"{IMAGE}:{VERSION} {run('git', 'rev-parse', 'HEAD')}"))
    bom.metadata.component = connector
    bom.metadata.timestamp = datetime.fromtimestamp(commit_time(), timezone.utc)
    bom.register_dependency(connector, parts)
    return str(JsonV1Dot6(bom).output_as_string(indent=2))
