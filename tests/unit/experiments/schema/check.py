#!/usr/bin/env python3
"""The JSON Schemas judge as the reader does, by an independent validator: what is read is valid,
what is refused for its shape is not.

    check.py PROGRAM SOURCES    PROGRAM prints the schemas"""
import json
import pathlib
import re
import subprocess
import sys

sys.path.append("/usr/lib/python3/dist-packages")  # of Debian's packages, whichever python3 this is
import jsonschema  # noqa: E402
import yaml  # noqa: E402

SOURCES = pathlib.Path(sys.argv[2])


class Loader(yaml.SafeLoader):
    """YAML 1.2, as the reader and editors have it: `on` is text, and so is 10:30."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (("null", r"~|null|", "~n"), ("bool", "true|false", "tf"),
                            ("int", r"[-+]?[0-9]+", "-+0123456789"),
                            ("float", r"[-+]?[0-9]+\.[0-9]+", "-+0123456789")):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"),
                                 list(first) + ([""] if tag == "null" else []))

SCHEMAS = json.loads(subprocess.run(sys.argv[1:2], stdout=subprocess.PIPE, check=True).stdout)
for schema in SCHEMAS.values():
    jsonschema.Draft202012Validator.check_schema(schema)

# The first key of a file that no other kind has.
KINDS = {"hypothesis": "experiment", "schedules": "schedule", "hosts": "inventory",
         "gameday": "gameday"}


def problems(kind, text):
    validator = jsonschema.Draft202012Validator(SCHEMAS[kind])
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in validator.iter_errors(yaml.load(text, Loader))]


def kind_of(text):
    loaded = yaml.load(text, Loader)
    return next((kind for key, kind in KINDS.items() if key in loaded), None)


def files_and_blocks():
    """What the reader reads: experiments/, and the whole files on the pages of the documentation."""
    for path in sorted((SOURCES / "experiments").rglob("*.yaml")):
        yield path, path.read_text()
    for path in [SOURCES / "README.md", *sorted((SOURCES / "docs").rglob("*.md"))]:
        for block in re.findall(r"```yaml\n(version: 1\n.*?)```", path.read_text(), re.DOTALL):
            yield path, block


EXPERIMENT = """\
version: 1
name: x
hypothesis: It stays well.
slis:
  x: { exec: { argv: [/bin/x], mode: ok } }
  y: { exec: { argv: [/bin/x], unit: ms } }
steady_state: [ x.success >= 99%, y.value <= 5ms ]
abort_if: none
baseline: 30s
method:
  - fault: process.kill
    target: { process: { name: x }, mode: all }
    with: { restore: supervisor }
    duration: 10s
  - fault: network.partition
    with: { action: drop, direction: egress, remote_port: 80 }
    duration: 5s
"""
# Each value may be a variable; of the words and forms, nothing else may stand there.
WORDS = ["mode: ok", "unit: ms", "mode: all", "restore: supervisor", "duration: 10s",
         "fault: network.partition", "action: drop", "direction: egress"]
VALUES = [*WORDS, "abort_if: none", "remote_port: 80"]

# What only the schema of the shape can know; the rest is the reader's (names, conditions, sums).
BROKEN = {"experiment": ["key-misspelt", "key-unknown", "key-version-2", "key-missing-everything",
                         "key-missing-duration", "key-on-is-target", "key-k6",
                         "key-chaos-toolkit", "method-misspelt", "fault-misspelt",
                         "fault-parameter-misspelt", "value-duration-iso",
                         "value-duration-words", "value-duration-without-unit",
                         "value-list-expected", "value-map-expected", "hosts-mode"],
          "gameday": ["gamedays/misspelt", "gamedays/no-agenda"],
          "inventory": ["inventories/ansible", "inventories/hosts-are-a-list"]}

wrong, seen = [], {}
for path, text in files_and_blocks():
    kind = kind_of(text)
    if kind is None:
        continue  # a service file has no schema
    seen[kind] = seen.get(kind, 0) + 1
    wrong += [f"{path}: {problem}" for problem in problems(kind, text)]
assert seen["experiment"] > 20 and len(seen) == len(SCHEMAS), seen


def judged(text):
    """What the schema and the reader say against the experiment."""
    read = subprocess.run([sys.argv[1], "--read"], input=text, stdout=subprocess.PIPE, text=True)
    return problems("experiment", text), read.stdout.splitlines()


assert judged(EXPERIMENT) == ([], []), judged(EXPERIMENT)
for value in VALUES:
    key, word = value.split(": ")
    assert EXPERIMENT.count(value) == 1, value
    text = EXPERIMENT.replace("slis:", f"vars: {{ v: {word} }}\nslis:").replace(
        value, f'{key}: "${{v}}"')
    wrong += [f"{key} as a variable: {problem}" for problem in sum(judged(text), [])]
for value in WORDS:
    text = EXPERIMENT.replace(value, f"{value.split(':')[0]}: nonsense")
    if not all(judged(text)):
        wrong.append(f"{value}: another word is accepted, by the schema or the reader")
for kind, names in BROKEN.items():
    for name in names:
        if not problems(kind, (SOURCES / f"tests/broken/{name}.yaml").read_text()):
            wrong.append(f"tests/broken/{name}.yaml is accepted")
print("\n".join(wrong) or f"{sum(seen.values())} files are valid: {seen}")
sys.exit(bool(wrong))
