#!/usr/bin/env bash
# Build the offline bundle: one file that installs a node on a machine without internet. `make bundle` calls it.
# Usage: build.sh [DIRECTORY]   (dist unless told). Python of the build and of the target have to be of one version (3.11).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "${1:-$root/dist}" && cd "${1:-$root/dist}" && pwd)
python=${PYTHON:-$root/.venv/bin/python}
version=$("$python" -c 'import gateway; print(gateway.__version__)')
target=$("$python" -c 'import sys; print(f"{sys.version_info.major}.{sys.version_info.minor}")')
name="gateway-$version-linux-$(uname -m)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bundle/wheels" "$work/bundle/share"
cd "$root"

pip() { "$python" -m pip --quiet --disable-pip-version-check "$@"; }
# The lock's hashes are checked here; from here on the files' own hashes count.
pip wheel --require-hashes --requirement deploy/requirements.txt --wheel-dir "$work/bundle/wheels"
pip wheel --no-deps --no-build-isolation --wheel-dir "$work/bundle/wheels" .
"$python" - "$work"/bundle/wheels/township_gateway-*.whl <<'PY'
import sys, zipfile

if "gateway/console/web/dist/index.html" not in zipfile.ZipFile(sys.argv[1]).namelist():
    sys.exit("build.sh: the wheel has no console in it")
PY

cp -R deploy/. "$work/bundle/share/"
rm -rf "$work/bundle/share/screens"
cp -R configs "$work/bundle/share/configs"
cp README.md README.zh-CN.md CHANGELOG.md "$work/bundle/share/"
cp deploy/bundle/install.sh "$work/bundle/install.sh"
chmod 755 "$work/bundle/install.sh"
printf '%s\n' "$version" >"$work/bundle/VERSION"
printf '%s\n' "$target" >"$work/bundle/PYTHON"
printf '%s\n' "$(uname -m)" >"$work/bundle/MACHINE"

"$python" - "$work/bundle/wheels" >"$work/bundle/wheels.txt" <<'PY'
import hashlib, pathlib, sys

for wheel in sorted(pathlib.Path(sys.argv[1]).glob("*.whl")):
    name, version = wheel.name.split("-")[:2]
    print(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
PY
(cd "$work/bundle" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)

# The same content gives the same file, but for what the wheel's own build puts into it.
tar --create --file "$work/payload.tar" --directory "$work/bundle" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime='2026-01-01 00:00Z' .
sum=$(sha256sum "$work/payload.tar" | cut -d' ' -f1)
lines=$(($(wc -l <deploy/bundle/header.sh) + 1))
{ sed -e "s/@SUM@/$sum/" -e "s/@LINES@/$lines/" -e "s/@NAME@/$name/" deploy/bundle/header.sh; cat "$work/payload.tar"; } \
    >"$work/$name.run"
chmod 755 "$work/$name.run"
mv "$work/$name.run" "$out/$name.run"
(cd "$out" && sha256sum "$name.run" >"$name.run.sha256")
echo "$out/$name.run"
