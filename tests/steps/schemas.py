#!/usr/bin/env python3
"""Every *.schema.json is a valid draft-07 schema, and the shipped files hold to theirs."""

import json
import pathlib
import re
import sys

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Loader(yaml.SafeLoader):
    """YAML without dates: a date stays the text it is."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def check(name, problem, failures):
    if problem:
        failures.append(name)
        print(f"FAILED {name}: {problem}")


def main():
    failures, total = [], 0
    schemas = {}
    for path in sorted(ROOT.glob("**/*.schema.json")):
        if {"build", "node_modules", ".venv"} & set(path.relative_to(ROOT).parts):
            continue
        total += 1
        schema = json.loads(path.read_text(encoding="utf-8"))
        schemas[path.name] = schema
        try:
            jsonschema.Draft7Validator.check_schema(schema)
            draft = schema.get("$schema", "")
            check(path.name, "" if "draft-07" in draft else f"$schema is '{draft}'", failures)
        except jsonschema.SchemaError as error:
            check(path.name, error.message, failures)
    for path in sorted([*ROOT.glob("policies/**/*.yaml"), *ROOT.glob("*.yaml"),
                        *ROOT.glob("deploy/**/*.yaml")]):
        text = path.read_text(encoding="utf-8")
        head = re.search(r"yaml-language-server: \$schema=(\S+)", text)
        if not head:
            continue
        total += 1
        name = str(path.relative_to(ROOT))
        schema = schemas.get(pathlib.PurePath(head.group(1)).name)
        if schema is None:
            check(name, f"no schema {head.group(1)}", failures)
            continue
        found = [f"{'/'.join(str(p) for p in e.absolute_path)}: {e.message}"
                 for e in jsonschema.Draft7Validator(schema).iter_errors(yaml.load(text, Loader))]
        check(name, "; ".join(found[:5]), failures)
    print(f"{total - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
