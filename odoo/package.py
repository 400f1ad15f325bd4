"""The addon as a zip for each series of Odoo: `make addon-package` writes them to target/addon.

One source serves every series: packages differ in the version of their manifest. What only tests need is not in them.
"""

import ast
import subprocess
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ADDON = HERE / "payment_quittance"
TARGET = HERE.parent / "target" / "addon"
SERIES = ("18.0", "19.0")
# So that the same source makes the same bytes.
LONG_AGO = (2026, 1, 1, 0, 0, 0)


def read_manifest():
    return ast.literal_eval((ADDON / "__manifest__.py").read_text())


def is_for_tests(path):
    """Whether a file, named from the addon's folder, only serves its tests."""
    return "tests" in Path(path).parts


def source_files():
    """What of the addon is in its repository, or is about to be; named from the addon's folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
        cwd=ADDON,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted({name for name in listed.split("\0") if name and (ADDON / name).is_file()})


def package_files():
    return [name for name in source_files() if not is_for_tests(name)]


def package_manifest(series):
    """The manifest with the series before its version, as the store wants it, and without what only tests load."""
    manifest = read_manifest()
    manifest["version"] = f"{series}.{manifest['version']}"
    bundles = manifest.pop("assets", {})
    assets = {
        bundle: kept
        for bundle, paths in bundles.items()
        if (kept := [path for path in paths if not is_for_tests(path)])
    }
    if assets:
        manifest["assets"] = assets
    lines = [f"    {key!r}: {value!r}," for key, value in manifest.items()]
    return "\n".join(["{", *lines, "}", ""])


def write_package(series, folder):
    """Write the zip of one series, and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ADDON.name}-{series}.{read_manifest()['version']}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in package_files():
            content = (ADDON / name).read_bytes()
            if name == "__manifest__.py":
                content = package_manifest(series).encode()
            entry = zipfile.ZipInfo(f"{ADDON.name}/{name}", LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return path


if __name__ == "__main__":
    for each in SERIES:
        print(write_package(each, TARGET))
