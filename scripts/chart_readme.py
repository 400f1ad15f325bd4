"""Writes the table of values into the chart's README, from the comments in values.yaml; `--check` fails where it is not up to date.

A comment `# -- text` describes the value below it, with all that is beneath that value.
"""

import json
import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parent.parent / "charts" / "quittance"
BEGIN, END = "<!-- values: written by scripts/chart_readme.py -->\n", "<!-- end of values -->\n"
LONGEST = 60


def described(text):
    """Every described value's path, with what is said of it."""
    path, said = [], None
    for line in text.splitlines():
        if comment := re.match(r" *# -- (.*)", line):
            said = comment[1]
        elif key := re.match(r"( *)([A-Za-z]\w*):", line):
            del path[len(key[1]) // 2 :]
            path.append(key[2])
            if said:
                yield ".".join(path), said
                said = None


def default(values, path):
    """A value as the table shows it."""
    for key in path.split("."):
        values = values[key]
    if values in ("", None):
        return ""
    text = json.dumps(values)
    return f"`{text}`" if len(text) <= LONGEST else "see `values.yaml`"


def table():
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = [f"| `{path}` | {default(values, path)} | {said} |\n" for path, said in described(text)]
    return "| value | default | what it is |\n|---|---|---|\n" + "".join(rows)


def main():
    readme = CHART / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = before + BEGIN + table() + END + after
    if "--check" not in sys.argv:
        readme.write_text(wanted)
    elif readme.read_text() != wanted:
        sys.exit("charts/quittance/README.md does not fit values.yaml: run `make chart-readme`")


if __name__ == "__main__":
    main()
