"""The rules. Each takes a path and its text and yields (line, rule, message)."""

import re

import cpp_text

CODE_FOLDERS = ("router", "local_engine", "providers", "gateway")
COLUMNS = 100
FUNCTION_LINES = 70
TEST_LINES = 100  # a test case holds its table of rows
README_LINES = 40

# Which of our folders a folder may include, besides itself (ARCHITECTURE.md).
OURS = {
    "router": {},
    "local_engine": {},
    "providers": {"router": None, "local_engine": ("local_engine/engine.h",)},
    "gateway": {"router": None, "providers": None, "local_engine": ("local_engine/engine.h",)},
    "tests": {"router": None, "local_engine": None, "providers": None, "gateway": None},
}

# Libraries by the start of their include path, and where each may be used (patterns over paths).
LIBRARIES = {
    "boost/system/": r"",
    "boost/": r"^(gateway|providers|tests)/",
    "rapidjson/": r"^(gateway|providers|tests)/|^local_engine/.*(grammar|template|schema|json|call_form|prompt)",
    "yaml-cpp/": r"^(gateway|tests)/|^router/\w*_yaml\.(cpp|h)$",
    "curl/": r"^providers/[\w/]*(transport|curl)|^(gateway|tests)/",
    "openssl/": r"^(gateway|providers|tests)/",
    "sqlite3.h": r"^(gateway/ledger|tests)/",
    "prometheus/": r"^(gateway|tests)/",
    "spdlog/": r"^(gateway|tests)/",
    "fmt/": r"^(gateway|tests)/",
    "valijson/": r"^(gateway|tests)/",
    "CLI/": r"^(gateway|tests)/",
    "doctest/": r"^tests/",
    "cuda": r"^local_engine/",
    "fstream": r"^(gateway|local_engine|tests)/|_yaml\.cpp$",
    "filesystem": r"^(gateway|local_engine|tests)/",
    "sys/": r"^(gateway|providers|local_engine|tests)/",
    "unistd.h": r"^(gateway|providers|local_engine|tests)/",
}

# Tests of crashes and of oracles need real processes and real time: kill -9, stalled disks, python3.
REAL_PROCESSES = r"^tests/gateway/ledger/fault|^tests/local_engine/template_conformance_test\.cpp$"

# call -> (where it is banned, what to use instead)
BANNED = [
    (r"\bv?sprintf\s*\(", r"", "sprintf", "fmt::format_to_n or std::snprintf"),
    (r"\b(strcpy|strcat|strncpy|strncat)\s*\(", r"", None, "std::string"),
    (r"\bgets\s*\(", r"", "gets", "std::getline"),
    (r"\bstrtok\s*\(", r"", "strtok", "std::string_view::find"),
    (r"\b(?:std::)?(stod|stof|strtod|strtof|atof)\s*\(", r"", None,
     "std::from_chars (the others read the locale)"),
    (r"\b(atoi|atol|atoll)\s*\(", r"", None, "std::from_chars (the others hide errors)"),
    (r"\bsetlocale\s*\(", r"", "setlocale", "nothing: we never change the locale"),
    (r"\b(?:std::)?s?rand\s*\(\s*\w*\s*\)", r"", "rand", "a seeded generator that is passed in"),
    (r"\bstd::random_device\b", r"^router/", "std::random_device", "a seed that is passed in"),
    (r"(?<![\w.>:])(?:::|std::)?system\s*\(", r"", "system", "no child processes"),
    (r"(?<![\w.>:])(?:::)?(popen|fork|vfork|execv|execve|execl|execlp|execvp)\s*\(", r"", None,
     "no child processes"),
    (r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(", r"^tests/(?!bench/|upstream/|e2e/)", None,
     "a fake clock or a condition to wait for"),
    (r"(?<![\w.>:])(?:::)?sleep\s*\(", r"^tests/(?!bench/|upstream/|e2e/)", "sleep",
     "a fake clock or a condition to wait for"),
    (r"\bstd::regex\b", r"", "std::regex", "a hand-written scan (std::regex backtracks)"),
    (r"\bstd::endl\b", r"", "std::endl", "'\\n'"),
    (r"\b(localtime|gmtime|ctime|asctime)\s*\(", r"", None, "std::chrono calendar types"),
    (r"\b(?:system|steady|high_resolution)_clock::now\s*\(", r"^router/", "clock::now",
     "a time that is passed in"),
    (r"\bgetenv\s*\(", r"^(router|providers)/", "getenv", "a value that is passed in"),
    (r"\busing\s+namespace\s+std\s*;", r"", "using namespace std", "std:: on each name"),
]

_SQL = r'"\s*(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|PRAGMA|ATTACH|VACUUM)\b'
_MARKS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")


def includes(path, text):
    folder = path.split("/")[0]
    if folder not in OURS:
        return
    code = cpp_text.strip(text, keep_strings=True)
    for match in re.finditer(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', code, re.M):
        line = cpp_text.line_of(code, match.start(2))
        kind, name = match.groups()
        target = name.split("/")[0]
        if kind == '"':
            if "/" not in name:
                yield line, "include", f"include \"{name}\" by its path from the root"
            elif target in OURS and target != folder:
                allowed = OURS[folder].get(target, ())
                if allowed is not None and name not in allowed:
                    yield line, "include", f"{folder} must not include {name}"
            continue
        library = next((key for key in LIBRARIES if name.startswith(key)), None)
        if library and not re.search(LIBRARIES[library], path):
            yield line, "include", f"{path} must not include <{name}>"


def columns(path, text):
    literal = cpp_text.raw_string_lines(text) if path.startswith("tests/") else set()
    for number, line in enumerate(text.split("\n"), 1):
        # Wire text in a test stays as it goes over the wire.
        wire_text = path.startswith("tests/") and '"' in line
        if len(line) > COLUMNS and number not in literal and not wire_text:
            yield number, "columns", f"{len(line)} columns, at most {COLUMNS}"


def function_length(path, text):
    limit = TEST_LINES if path.startswith("tests/") else FUNCTION_LINES
    code = cpp_text.strip(text)
    for name, start, end in cpp_text.functions(code):
        lines = code.count("\n", start, end) + 1 - cpp_text.table_lines(code, start, end)
        if lines > limit:
            yield (cpp_text.line_of(code, start), "function",
                   f"{name} has {lines} lines, at most {limit}")


def co_await_rule(_path, text):
    code = cpp_text.strip(text)
    if "co_await" not in code:
        return
    for _, start, end in cpp_text.functions(code):
        for index, statement, braces, lambdas in cpp_text.statements(code, start + 1, end):
            if "co_await" not in statement:
                continue
            at = index + len(code[index:end]) - len(code[index:end].lstrip())
            line = cpp_text.line_of(code, at)
            if braces:
                yield line, "co_await", ("a {...} argument in an expression with co_await: "
                                         "name it on the line above (g++ 12 miscompiles it)")
            if re.search(r"\?[^?]*\bco_await\b", statement):
                yield line, "co_await", ("co_await inside ?: : write if and else "
                                         "(g++ 12 destroys its temporaries twice)")
            if lambdas:
                yield line, "co_await", ("a lambda in an expression with co_await: "
                                         "name it on the line above (g++ 12 miscompiles it)")


def banned(path, text):
    code = cpp_text.strip(text)
    real = re.search(REAL_PROCESSES, path)
    for pattern, where, name, instead in BANNED:
        if where and not re.search(where, path):
            continue
        if real and re.search(r"sleep|popen|fork", pattern):
            continue
        for match in re.finditer(pattern, code):
            shown = name or match.group(1)
            yield cpp_text.line_of(code, match.start()), "banned", f"{shown}: use {instead}"


def built_sql(_path, text):
    code = cpp_text.strip(text, keep_strings=True)
    bare = cpp_text.strip(text)
    for match in re.finditer(_SQL, code):
        at = match.start()
        while at < len(code) and code[at] == '"':  # adjacent literals are one
            at = bare.find('"', at + 1) + 1
            while at < len(code) and code[at].isspace():
                at += 1
        before = bare[:match.start()].rstrip()
        if bare[at:at + 1] == "+" or before.endswith("+") or before.endswith("format("):
            yield (cpp_text.line_of(code, match.start()), "sql",
                   "SQL built from strings: bind parameters")


def marks(_path, text):
    for number, line in enumerate(text.split("\n"), 1):
        found = _MARKS.search(line)
        if found:
            yield number, "mark", f"{found.group(1)} left in the code: do it or write it down elsewhere"


def pragma_once(path, text):
    if path.endswith(".h") and "#pragma once" not in text:
        yield 1, "pragma", "a header starts with #pragma once"


def readme_length(path, text):
    lines = text.count("\n")
    if path.endswith("README.md") and "/" in path and lines > README_LINES:
        yield 1, "readme", f"{lines} lines, at most {README_LINES}"


CPP_RULES = (includes, columns, function_length, co_await_rule, banned, built_sql, marks,
             pragma_once)
TEXT_RULES = (marks, readme_length)
