#!/usr/bin/env python3
"""Every *.schema.json is a valid draft-07 schema, the shipped files hold to theirs, and what a
schema refuses `jevons check` refuses: an editor and the gateway agree on types."""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

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


POLICIES = ROOT / "policies"
JEVONS = ROOT / os.environ.get("JEVONS_BUILD", "build/release") / "jevons"
# One value of every kind, and the borders of what loaders tend to let through.
VALUES = [None, True, 7, -1, "zz", "", "7", [], {"zz": "zz"}, [7]]


def distinct(document):
    """Every place of a document, one for each shape of path: of a list the first item."""
    def places(node, path=()):
        yield path
        items = (node.items() if isinstance(node, dict)
                 else enumerate(node) if isinstance(node, list) else ())
        for key, value in items:
            yield from places(value, path + (key,))
    seen = {}
    for path in places(document):
        seen.setdefault(tuple("*" if isinstance(p, int) else p for p in path), path)
    return [path for path in seen.values() if path]


def replaced(document, path, value):
    copied = copy.deepcopy(document)
    node = copied
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return copied


def mutants(name, document, validator):
    """(what was changed, the changed document) wherever the schema refuses the change."""
    for path in distinct(document):
        for value in VALUES:
            mutant = replaced(document, path, value)
            if not validator.is_valid(mutant):
                yield f"{name}: {'.'.join(map(str, path))} = {json.dumps(value)}", mutant


def accepted_mutants(schemas):
    """Each mutant in a configuration of its own, all of them checked by one process."""
    documents = {name: yaml.load((POLICIES / f"{name}.yaml").read_text(encoding="utf-8"), Loader)
                 for name in ("jevons", "catalog", "prices", "default", "private")}
    # A row of each set of keys makes each check quick; what lacks its price is a warning.
    rows = documents["prices"]["prices"]
    documents["prices"]["prices"] = list({tuple(sorted(row)): row for row in rows}.values())
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        files = {name: f"{name}.yaml" for name in documents}

        def configuration(own):
            main = documents["jevons"]
            return {**main, "catalog": own["catalog"], "prices": own["prices"],
                    "policies": [own["default"], own["private"]]}

        def write(file, document):  # JSON is YAML: strings in quotes, numbers bare
            (folder / file).write_text(json.dumps(document), encoding="utf-8")
            return str(folder / file)

        for name, document in documents.items():
            write(files[name], document)
        write("jevons.yaml", configuration(files))
        changed = {str(folder / "jevons.yaml"): None}
        for name, document in documents.items():
            kind = "policy" if name in ("default", "private") else name
            validator = jsonschema.Draft7Validator(schemas[f"{kind}.schema.json"])
            base = configuration(files) if name == "jevons" else document
            for number, (what, mutant) in enumerate(mutants(name, base, validator)):
                own = f"{name}-{number}.yaml"
                main = write(own, mutant)
                if name != "jevons":
                    main = write(f"main-{own}", configuration({**files, name: own}))
                changed[main] = what
        secrets = {word: "x" for word in re.findall(r"env:(\w+)", json.dumps(documents["jevons"]))}
        done = subprocess.run([JEVONS, "check", "--json", *changed], text=True,
                              capture_output=True, env={**os.environ, **secrets}, check=False)
        good = {row["file"] for row in map(json.loads, done.stdout.splitlines()) if row["ok"]}
        broken = [] if str(folder / "jevons.yaml") in good else ["the unchanged configuration"]
        return len(changed), broken + [w for file, w in changed.items() if w and file in good]


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
    count, accepted = accepted_mutants(schemas)
    total += 1
    check(f"{count} mutants", "accepted: " + "; ".join(accepted) if accepted else "", failures)
    print(f"{total - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
