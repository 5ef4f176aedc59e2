"""The bill of materials (CycloneDX 1.6, JSON) of what is shipped: ``python deploy/sbom.py [FILE]``.

Made from the two lock files alone, so it says what the hashes let in and nothing else: every Python package of
deploy/requirements.txt and every npm package that the console is built from, each with its hashes and, where this
environment knows it, its licence. The same locks give the same bytes.
"""

import base64
import json
import re
import sys
from importlib import metadata
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
PYTHON_LOCK = ROOT / "deploy" / "requirements.txt"
NPM_LOCK = ROOT / "gateway" / "console" / "web" / "package-lock.json"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ \\;]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_ALGORITHMS = {"sha512": HashAlgorithm.SHA_512, "sha256": HashAlgorithm.SHA_256, "sha1": HashAlgorithm.SHA_1}


def python_packages(lock: str) -> list[Component]:
    """Of a lock file with hashes. A package has one for each file that may be installed of it. Raises ValueError."""
    found: list[tuple[str, str, list[str]]] = []
    for line in lock.splitlines():
        pinned = _PINNED.match(line)
        if pinned is not None:
            found.append((pinned[1], pinned[2], []))
        if (hashed := _HASH.search(line)) is not None:
            found[-1][2].append(hashed[1])
    bare = [name for name, _, hashes in found if not hashes]
    if bare or not found:
        raise ValueError(f"the lock holds no hash of {', '.join(bare) or 'anything'}")
    return [_python(*each) for each in found]


def _python(name: str, version: str, hashes: list[str]) -> Component:
    where = PackageURL("pypi", None, name, version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.REQUIRED,
        purl=where,
        bom_ref=str(where),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in sorted(hashes)],
        licenses=_licences(name),
    )


def _licences(name: str) -> list[DisjunctiveLicense]:
    """As the package itself says (PEP 639, or what was usual before it)."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return []
    classes = [
        each.rpartition(" :: ")[2] for each in said.get_all("Classifier", []) if each.startswith("License :: OSI")
    ]
    words = said.get("License-Expression") or "; ".join(classes) or (said.get("License") or "").partition("\n")[0]
    return [DisjunctiveLicense(name=words[:200])] if words.strip() else []


def npm_packages(lock: str) -> list[Component]:
    """Of a package-lock.json (version 3). What only builds the pages is there too: it makes what is shipped."""
    packages = json.loads(lock)["packages"]
    found = {}
    for path, package in packages.items():
        name = package.get("name") or path.rpartition("node_modules/")[2]
        if path and not package.get("link"):
            found[name, package["version"]] = package
    return [_npm(name, version, package) for (name, version), package in sorted(found.items())]


def _npm(name: str, version: str, package: dict[str, object]) -> Component:
    space, _, bare = name.rpartition("/")
    where = PackageURL("npm", space or None, bare, version)
    algorithm, _, digest = str(package["integrity"]).split()[0].partition("-")
    licence = package.get("license")
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.EXCLUDED if package.get("dev") else ComponentScope.REQUIRED,
        purl=where,
        bom_ref=str(where),
        hashes=[HashType(alg=_ALGORITHMS[algorithm], content=base64.b64decode(digest).hex())],
        licenses=[DisjunctiveLicense(name=str(licence))] if licence else [],
        properties=[Property(name="cdx:npm:package:development", value="true")] if package.get("dev") else [],
    )


def bill(version: str, python: str, npm: str) -> str:
    """The bill as JSON text. ``python`` and ``npm``: the texts of the lock files."""
    gateway = Component(name="feed-gateway", version=version, type=ComponentType.APPLICATION, bom_ref="feed-gateway")
    parts = [*python_packages(python), *npm_packages(npm)]
    made = Bom(
        components=parts,
        metadata=BomMetaData(component=gateway),
        serial_number=uuid5(NAMESPACE_URL, f"feed-gateway/{version}/{hash_of(python + npm)}"),
    )
    made.register_dependency(gateway, parts)
    told = json.loads(JsonV1Dot6(made).output_as_string())
    del told["metadata"]["timestamp"]  # the same locks, the same bytes
    return json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def hash_of(text: str) -> UUID:
    return uuid5(NAMESPACE_URL, text)


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from gateway import __version__

    text = bill(__version__, PYTHON_LOCK.read_text("utf-8"), NPM_LOCK.read_text("utf-8"))
    if len(sys.argv) > 1:
        target = Path(sys.argv[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        sys.stderr.write(f"{target}: {len(json.loads(text)['components'])} packages\n")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
