"""What the JSON Schemas refuse, `jevons check` refuses: an editor and the gateway agree on types."""

import copy
import json
import pathlib
import re
import shutil

import jsonschema
import pytest
import yaml

from support import processes

POLICIES = processes.ROOT / "policies"
# One value of every kind, and the borders of what loaders tend to let through.
VALUES = [None, True, 7, -1, 0.5, "zz", "", "7", "true", [], {}, ["zz"], [7], {"zz": "zz"}]


class Loader(yaml.SafeLoader):
    """YAML without dates: a date stays the text it is."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def places(node, path=()):
    """Every place of a document, one for each shape of path: of a list the first item."""
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from places(value, path + (key,))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from places(value, path + (index,))


def distinct(document):
    seen = set()
    for path in places(document):
        shape = tuple("*" if isinstance(p, int) else p for p in path)
        if path and shape not in seen:
            seen.add(shape)
            yield path


def replaced(document, path, value):
    copied = copy.deepcopy(document)
    node = copied
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return copied


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(POLICIES, tmp_path / "policies")
    shutil.copy(POLICIES / "jevons.yaml", tmp_path / "jevons.yaml")
    return tmp_path


def check(folder):
    names = re.findall(r"env:(\w+)", (POLICIES / "jevons.yaml").read_text(encoding="utf-8"))
    return processes.cli(folder / "jevons.yaml", "check", check=False,
                         env={name: "x" for name in names})


@pytest.mark.parametrize("name", ["jevons", "catalog", "prices", "default", "private"])
def test_what_the_schema_refuses_is_refused(folder, name):
    assert check(folder).returncode == 0
    text = (POLICIES / f"{name}.yaml").read_text(encoding="utf-8")
    schema = re.search(r"yaml-language-server: \$schema=(\S+)", text).group(1)
    validator = jsonschema.Draft7Validator(json.loads((POLICIES / schema).read_text()))
    document = yaml.load(text, Loader)
    if name == "prices":
        document["prices"] = document["prices"][:40]  # one of each kind of row is enough
    file = folder / "jevons.yaml" if name == "jevons" else folder / "policies" / f"{name}.yaml"
    accepted = []
    for path in distinct(document):
        for value in VALUES:
            mutant = replaced(document, path, value)
            if validator.is_valid(mutant):
                continue
            # JSON is YAML: strings in quotes, numbers bare.
            file.write_text(json.dumps(mutant), encoding="utf-8")
            if check(folder).returncode != 4:
                accepted.append((".".join(map(str, path)), value))
    assert accepted == []
