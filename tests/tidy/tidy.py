#!/usr/bin/env python3
"""Checks the habits of CONTRIBUTING.md in every tracked file; see README.md."""

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

import rules  # noqa: E402

CPP = (".cpp", ".h", ".cu", ".cuh")
TEXT = (".md", ".py", ".yaml", ".yml", ".json", ".txt", ".sh", ".mjs", ".cmake", ".service", "")
ELSEWHERE = "tests/tidy/tested_elsewhere.txt"
SUPPRESSED = re.compile(r"//\s*tidy-ok\((\w+)\): \S+")


def findings_of(path, text):
    """All findings of one file as `path:line: message`."""
    chosen = rules.CPP_RULES if path.endswith(CPP) else rules.TEXT_RULES
    lines = text.split("\n")
    for rule in chosen:
        for line, name, message in rule(path, text):
            found = SUPPRESSED.search(lines[line - 1]) or \
                (SUPPRESSED.search(lines[line - 2]) if line > 1 else None)
            if not (found and found.group(1) == name):
                yield f"{path}:{line}: {message}"


def is_tested(path, known, included):
    """By tests/<path>_test.cpp, by the test of what it is a part of (jinja_lexer.cpp by
    jinja_test.cpp), or by any test that includes its header."""
    stem = re.sub(r"\.(cpp|cu)$", "", path)
    if f"{stem}.h" in included:
        return True
    folder, _, name = stem.rpartition("/")
    parts = name.split("_")
    return any(f"tests/{folder}/{'_'.join(parts[:n])}_test.cpp" in known
               for n in range(1, len(parts) + 1))


def untested(paths, elsewhere, included=frozenset()):
    """Source files that no test tests and tested_elsewhere.txt does not explain."""
    known = set(paths)
    listed = {}
    for number, line in enumerate(elsewhere.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        path, _, reason = line.partition(": ")
        listed[path] = number
        where = f"{ELSEWHERE}:{number}"
        if path not in known:
            yield f"{where}: {path} does not exist"
        test = re.match(r"tested by (\S+)", reason)
        if not reason.strip():
            yield f"{where}: {path} has no reason"
        elif test and test.group(1) not in known:
            yield f"{where}: {test.group(1)} does not exist"
    for path in paths:
        if not (path.startswith(tuple(f"{f}/" for f in rules.CODE_FOLDERS))
                and path.endswith((".cpp", ".cu"))):
            continue
        test = "tests/" + re.sub(r"\.(cpp|cu)$", "_test.cpp", path)
        if test in known and path in listed:
            yield f"{ELSEWHERE}:{listed[path]}: {path} has a test now: remove the line"
        elif path not in listed and not is_tested(path, known, included):
            yield f"{path}:1: no {test}, and no line in {ELSEWHERE}"


def missing_readmes(paths):
    for folder in rules.CODE_FOLDERS:
        inside = [p for p in paths if p.startswith(folder + "/")]
        if inside and f"{folder}/README.md" not in inside:
            yield f"{folder}:1: no README.md"


def tracked():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                         capture_output=True, text=True).stdout
    return [p for p in out.split("\n") if p and (ROOT / p).is_file()]


def check():
    paths = tracked()
    found = []
    included = set()
    for path in paths:
        suffix = pathlib.PurePath(path).suffix
        if suffix not in CPP + TEXT or path.startswith(("tests/fuzz/corpus/", "tests/golden/")):
            continue
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            if suffix in CPP:
                found.append(f"{path}:1: not UTF-8")
            continue
        found.extend(findings_of(path, text))
        if path.startswith("tests/") and suffix in CPP:
            included.update(re.findall(r'^#include "([^"]+)"', text, re.M))
    found.extend(missing_readmes(paths))
    found.extend(untested(paths, (ROOT / ELSEWHERE).read_text(encoding="utf-8"), included))
    for line in sorted(found):
        print(line)
    print(f"tidy: {len(paths)} files, {len(found)} findings", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        import self_test
        sys.exit(self_test.run())
    sys.exit(check())
