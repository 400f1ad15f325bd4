"""What must hold of the addon before a change lands, as far as no Odoo is needed: `make addon`, after the linters."""

import ast
import csv
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import jsonschema
import polib

import package
from package import ADDON, HERE

ROOT = HERE.parent
RECORDED = ROOT / "tests" / "contract"
SCHEMA = ROOT / "docs" / "odoo-contract.schema.json"
# The oldest Python that Odoo 18 runs on.
OLDEST_PYTHON = (3, 10)
# Folders whose every file Odoo loads because the manifest names it; what it finds by itself.
LOADED = ("data", "security", "views", "wizards")
FOUND = {"data/neutralize.sql"}
# Files that the store shows or that say what one may do with it.
NEEDED = ("LICENSE", "README.rst", "static/description/icon.png", "static/description/index.html")
# Answers that were recorded because they cannot be read.
UNREADABLE = {"unreadable", "unknown-word"}
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sdf]")


def named(suffix):
    return [name for name in package.source_files() if name.endswith(suffix)]


def check_python():
    """The syntax is of the oldest Python, whatever this one is; ruff looks at what this parser does not tell apart."""
    for name in named(".py"):
        try:
            ast.parse((ADDON / name).read_text(), name, feature_version=OLDEST_PYTHON)
        except SyntaxError as error:
            yield f"{name}: {error}"


def check_manifest():
    """Whatever the manifest names is there, and whatever must be named is."""
    manifest, files = package.read_manifest(), set(package.source_files())
    if manifest["license"] != "LGPL-3":
        yield f"the manifest says {manifest['license']}"
    for name in [*manifest["data"], *manifest["images"], *NEEDED]:
        if name not in files:
            yield f"{name} is missing"
    loaded = {name for name in files if name.split("/")[0] in LOADED and not name.endswith(".py")}
    for name in sorted(loaded - set(manifest["data"]) - FOUND):
        yield f"{name} is not named in the manifest"
    paths = [path for bundle in manifest.get("assets", {}).values() for path in bundle]
    for path in paths + [field.text for field in asset_paths(files)]:
        if path.removeprefix(f"{ADDON.name}/") not in files:
            yield f"the asset {path} is missing"
    if "LICENSE" in files and "GNU LESSER GENERAL PUBLIC LICENSE" not in (ADDON / "LICENSE").read_text():
        yield "LICENSE is not the LGPL"


def asset_paths(files):
    """The fields that name a file of a bundle, in records of `ir.asset`."""
    for name in sorted(files):
        if name.endswith(".xml"):
            for record in ElementTree.parse(ADDON / name).iter("record"):
                if record.get("model") == "ir.asset":
                    yield from record.iterfind("field[@name='path']")


def check_data():
    """XML is well-formed and what Odoo loads is Odoo's; the rows of a CSV have as many cells as its head."""
    for name in named((".xml", ".svg", ".html")):
        try:
            root = ElementTree.parse(ADDON / name).getroot()
        except ElementTree.ParseError as error:
            yield f"{name}: {error}"
            continue
        if name.endswith(".xml") and root.tag != "odoo":
            yield f"{name} begins with <{root.tag}>"
    for name in named(".csv"):
        rows = list(csv.reader((ADDON / name).read_text().splitlines()))
        if len({len(row) for row in rows}) != 1:
            yield f"{name} has rows of different lengths"


def check_scripts():
    """JavaScript is that of a module."""
    with tempfile.TemporaryDirectory() as folder:
        for name in named(".js"):
            copy = Path(folder, "module.mjs")
            copy.write_bytes((ADDON / name).read_bytes())
            said = subprocess.run(["node", "--check", copy], capture_output=True, text=True, check=False)
            if said.returncode:
                yield f"{name}: {said.stderr.strip()}"


def check_words():
    """Every word of the code can be translated, and translations are of words that are there, with all they insert."""
    template = polib.pofile(str(ADDON / "i18n" / f"{ADDON.name}.pot"), check_for_duplicates=True)
    known = {entry.msgid for entry in template}
    for name in package.package_files():
        if name.endswith(".py"):
            for text in sorted(spoken(ast.parse((ADDON / name).read_text())) - known):
                yield f"{name}: export the .pot again, it lacks {text!r}"
    for path in sorted((ADDON / "i18n").glob("*.po")):
        for entry in polib.pofile(str(path), check_for_duplicates=True):
            if entry.msgid not in known:
                yield f"{path.name} translates what is gone: {entry.msgid!r}"
            same = sorted(PLACEHOLDER.findall(entry.msgid)) == sorted(PLACEHOLDER.findall(entry.msgstr))
            if entry.msgstr and not same:
                yield f"{path.name} inserts something else into {entry.msgid!r}"


def spoken(tree):
    """The texts that code has translated."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    named_so = [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", None)) == "_"]
    return {call.args[0].value for call in named_so if isinstance(call.args[0], ast.Constant)}


def check_package():
    """A package holds what the store needs, of its series, and nothing that stands in for something in a test."""
    with tempfile.TemporaryDirectory() as folder:
        for series in package.SERIES:
            with zipfile.ZipFile(package.write_package(series, Path(folder))) as archive:
                names = {name.removeprefix(f"{ADDON.name}/") for name in archive.namelist()}
                manifest = ast.literal_eval(archive.read(f"{ADDON.name}/__manifest__.py").decode())
                texts = {name: archive.read(f"{ADDON.name}/{name}") for name in names if name.endswith((".py", ".js"))}
            if not re.fullmatch(rf"{re.escape(series)}\.\d+\.\d+\.\d+", manifest["version"]):
                yield f"the package for {series} is of version {manifest['version']}"
            for name in [*manifest["data"], *NEEDED]:
                if name not in names:
                    yield f"the package for {series} lacks {name}"
            if "assets" in manifest:
                yield f"the package for {series} loads {manifest['assets']}"
            for name in sorted(names):
                if "test" in name or "stand_in" in name or b"odoo.tests" in texts.get(name, b""):
                    yield f"the package for {series} holds {name}, which is for tests"


def check_contract():
    """What the service recorded is as the schema says, and the addon's own code accepts its signatures and no other."""
    schema = json.loads(SCHEMA.read_text())
    is_signed = load_signature().is_signed
    messages = sorted((RECORDED / "messages").glob("*.json"))
    if len(messages) < 20:
        yield f"only {len(messages)} recorded messages are in {RECORDED.relative_to(ROOT)}"
    for file in messages:
        recorded = json.loads(file.read_text())
        headers, body = recorded["headers"], recorded["body"].encode()
        now = int(headers["webhook-timestamp"])
        yield from misfits(schema, "batch", json.loads(body), file.name)
        if not is_signed([recorded["secret"]], headers, body, now):
            yield f"{file.name}: its signature is not accepted"
        if is_signed([recorded["secret"]], headers, body + b" ", now):
            yield f"{file.name}: a changed body is accepted"
    for file in sorted((RECORDED / "answers").glob("*.json")):
        recorded = json.loads(file.read_text())
        if recorded["status"] == 200 and file.stem not in UNREADABLE:
            yield from misfits(schema, "results", json.loads(recorded["body"]), file.name)


def misfits(schema, definition, value, name):
    """In what a value is not as one of the schema's definitions says."""
    one = {key: part for key, part in schema.items() if key != "anyOf"} | {"$ref": f"#/$defs/{definition}"}
    for error in jsonschema.Draft202012Validator(one).iter_errors(value):
        yield f"{name}: {error.json_path} {error.message[:200]}"


def load_signature():
    """The addon's code that checks signatures: without the addon, which needs Odoo."""
    spec = importlib.util.spec_from_file_location("signature", ADDON / "signature.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Each builds on those before it.
CHECKS = (check_python, check_data, check_scripts, check_manifest, check_words, check_package, check_contract)


def main():
    for check in CHECKS:
        problems = list(check())
        print(f"{check.__name__.removeprefix('check_')}: {'FAILED' if problems else 'ok'}")
        for problem in problems:
            print(f"  {problem}")
        if problems:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
