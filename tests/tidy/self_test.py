"""Bad snippets and the exact messages they must give: a check that cannot fail is no check."""

import sys

import cpp_text
import tidy

MARK = "TO" + "DO"
LONG = "int f() {\n" + "  g();\n" * 70 + "}\n"
WHY = "name it on the line above (g++ 12 miscompiles it)"

# name, path, text, expected findings without the path
CASES = [
    ("router includes nothing of ours", "router/a.cpp", '#include "providers/b.h"\n',
     ["1: router must not include providers/b.h"]),
    ("gateway includes all but the engine's inside", "gateway/a.cpp",
     '#include "router/a.h"\n#include "local_engine/engine.h"\n#include "local_engine/cpu/mat.h"\n',
     ["3: gateway must not include local_engine/cpu/mat.h"]),
    ("providers do not see the gateway", "providers/a.h",
     '#pragma once\n#include "gateway/a.h"\n', ["2: providers must not include gateway/a.h"]),
    ("RapidJSON stays out of the router", "router/a.cpp", "#include <rapidjson/document.h>\n",
     ["1: router/a.cpp must not include <rapidjson/document.h>"]),
    ("yaml-cpp only in *_yaml.cpp", "router/policy.cpp", "#include <yaml-cpp/yaml.h>\n",
     ["1: router/policy.cpp must not include <yaml-cpp/yaml.h>"]),
    ("yaml-cpp in policy_yaml.cpp is fine", "router/policy_yaml.cpp",
     "#include <yaml-cpp/yaml.h>\n", []),
    ("Boost's result is fine in the router", "router/a.cpp",
     "#include <boost/system/result.hpp>\n", []),
    ("the router opens no file", "router/a.cpp", "#include <fstream>\n",
     ["1: router/a.cpp must not include <fstream>"]),
    ("an include without its folder", "gateway/a.cpp", '#include "a.h"\n',
     ['1: include "a.h" by its path from the root']),
    ("an include in a comment", "router/a.cpp", '// #include "gateway/a.h"\n', []),
    ("101 columns", "gateway/a.cpp", "x" * 101 + "\n", ["1: 101 columns, at most 100"]),
    ("100 columns, not bytes", "gateway/a.cpp", "// " + "é" * 97 + "\n", []),
    ("71 lines of function", "gateway/a.cpp", "namespace jevons {\n" + LONG + "}\n",
     ["2: f has 72 lines, at most 70"]),
    ("a class is no function", "gateway/a.h",
     "#pragma once\nclass A {\n" + "  int a();\n" * 90 + "};\n", []),
    ("a member function with initialisers", "gateway/a.cpp",
     "A::A(int x) : a_{x}, b_(x) {\n" + "  g();\n" * 70 + "}\n",
     ["1: A::A has 72 lines, at most 70"]),
    ("a table is no function", "gateway/a.cpp",
     "const std::map<int, int> t = {\n" + "  {f(1), 2},\n" * 90 + "};\n", []),
    ("rows of a table in a function do not count", "gateway/a.cpp",
     "int f() {\n  const Row rows[] = {\n" + "    {1, 2},\n" * 90 + "  };\n  return g(rows);\n}\n",
     []),
    ("wire text in a test may be long", "tests/a_test.cpp",
     'auto a = R"(' + "x" * 120 + ')";\n', []),
    ("wire text elsewhere may not", "gateway/a.cpp",
     'auto a = R"(' + "x" * 120 + ')";\n', ["1: 135 columns, at most 100"]),
    ("a braces argument beside co_await", "gateway/a.cpp",
     "awaitable<void> f() {\n  co_await g({.a = 1});\n}\n",
     ["2: a {...} argument in an expression with co_await: " + WHY]),
    ("a lambda beside co_await", "gateway/a.cpp",
     "awaitable<void> f() {\n  int x = 1;\n  co_spawn(co_await executor, [x]() { g(x); }, d);\n}\n",
     ["3: a lambda in an expression with co_await: " + WHY]),
    ("co_await inside the lambda only", "gateway/a.cpp",
     "void f() {\n  co_spawn(e, [x]() -> awaitable<void> { co_await g(x); }, d);\n}\n", []),
    ("a braces argument inside such a lambda", "gateway/a.cpp",
     "void f() {\n  co_spawn(e, []() -> awaitable<void> {\n    co_await g({1});\n  }, d);\n}\n",
     ["3: a {...} argument in an expression with co_await: " + WHY]),
    ("co_await inside ?:", "gateway/a.cpp",
     "awaitable<void> f() {\n  auto r = a ? co_await g(b) : co_await h(c);\n}\n",
     ["2: co_await inside ?: : write if and else (g++ 12 destroys its temporaries twice)"]),
    ("co_await in a condition", "gateway/a.cpp",
     "awaitable<void> f() {\n  if (co_await g(a)) {\n    h({1});\n  }\n}\n", []),
    ("sprintf", "gateway/a.cpp", "void f() { sprintf(b, s); }\n",
     ["1: sprintf: use fmt::format_to_n or std::snprintf"]),
    ("snprintf is fine", "gateway/a.cpp", "void f() { std::snprintf(b, 3, s); }\n", []),
    ("sprintf in a string is fine", "gateway/a.cpp", 'auto a = "sprintf(";\n', []),
    ("a locale-bound parse", "providers/a.cpp", "double d = std::stod(s);\n",
     ["1: stod: use std::from_chars (the others read the locale)"]),
    ("a child process", "gateway/a.cpp", "int r = system(c);\nauto p = popen(c, m);\n",
     ["1: system: use no child processes", "2: popen: use no child processes"]),
    ("a method called system", "gateway/a.cpp", "auto m = x.system();\n", []),
    ("sleeping in a test", "tests/gateway/a_test.cpp", "std::this_thread::sleep_for(1s);\n",
     ["1: sleep_for: use a fake clock or a condition to wait for"]),
    ("the wall clock in the router", "router/a.cpp",
     "auto t = std::chrono::system_clock::now();\n",
     ["1: clock::now: use a time that is passed in"]),
    ("rand", "router/a.cpp", "int a = std::rand();\n",
     ["1: rand: use a seeded generator that is passed in"]),
    ("SQL with a plus", "gateway/ledger/a.cpp", 'auto s = "SELECT a FROM t WHERE b=" + b;\n',
     ["1: SQL built from strings: bind parameters"]),
    ("SQL through format", "gateway/ledger/a.cpp", 'auto s = fmt::format("DELETE FROM {}", t);\n',
     ["1: SQL built from strings: bind parameters"]),
    ("SQL over adjacent literals", "gateway/ledger/a.cpp",
     'auto s = "SELECT a "\n         "FROM t";\n', []),
    ("a permitted exception", "gateway/ledger/a.cpp",
     '// tidy-ok(sql): columns come from a constant table\nauto s = "SELECT " + c;\n', []),
    ("an exception without a reason", "gateway/ledger/a.cpp",
     'auto s = "SELECT " + c;  // tidy-ok(sql):\n',
     ["1: SQL built from strings: bind parameters"]),
    ("a work mark", "gateway/a.cpp", f"// {MARK}: later\n",
     [f"1: {MARK} left in the code: do it or write it down elsewhere"]),
    ("a header without pragma", "gateway/a.h", "int a();\n",
     ["1: a header starts with #pragma once"]),
    ("a long folder README", "router/README.md", "a\n" * 41, ["1: 41 lines, at most 40"]),
    ("the root README may be long", "README.md", "a\n" * 400, []),
]

TEST_CASES = [
    ("a source without a test", ["router/a.cpp"], "",
     ["router/a.cpp:1: no tests/router/a_test.cpp, and no line in tests/tidy/tested_elsewhere.txt"]),
    ("a source with its test", ["router/a.cpp", "tests/router/a_test.cpp"], "", []),
    ("tested elsewhere", ["router/a.cpp", "tests/router/b_test.cpp"],
     "router/a.cpp: tested by tests/router/b_test.cpp\n", []),
    ("tested by a file that is gone", ["router/a.cpp"],
     "router/a.cpp: tested by tests/router/b_test.cpp\n",
     ["tests/tidy/tested_elsewhere.txt:1: tests/router/b_test.cpp does not exist"]),
    ("an exemption that is no longer needed", ["router/a.cpp", "tests/router/a_test.cpp"],
     "router/a.cpp: only prints\n",
     ["tests/tidy/tested_elsewhere.txt:1: router/a.cpp has a test now: remove the line"]),
    ("an exemption of nothing", [], "router/a.cpp: only prints\n",
     ["tests/tidy/tested_elsewhere.txt:1: router/a.cpp does not exist"]),
]


def run():
    failed = 0
    for name, path, text, expected in CASES:
        found = [f[len(path) + 1:] for f in tidy.findings_of(path, text)]
        failed += report(name, found, expected)
    for name, paths, elsewhere, expected in TEST_CASES:
        failed += report(name, list(tidy.untested(paths, elsewhere)), expected)
    stripped = cpp_text.strip("int a = 1'000; char c = '\"'; // x\nauto s = R\"(a\"b)\";\n")
    expected = "int a = 1'000; char c = ' ';     \nauto s = R\"     \";\n"
    failed += report("literals and comments are blanked in place", [stripped], [expected])
    total = len(CASES) + len(TEST_CASES) + 1
    print(f"{total - failed} passed, {failed} failed")
    return 1 if failed else 0


def report(name, found, expected):
    if found == expected:
        return 0
    print(f"FAILED {name}\n  expected {expected}\n  found    {found}", file=sys.stderr)
    return 1
