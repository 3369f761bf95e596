"""Each step builds what it needs, runs a runner, and counts that runner's own test cases."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
JOBS = str(min(8, len(os.sched_getaffinity(0))))
UNIT_TESTS = ("router_test", "local_engine_test", "providers_test", "gateway_test")
# What shares threads: TSan takes 10 to 20 times as long, so it runs these files' cases only.
THREADED = {"gateway_test": "*ledger*,*target_book*,*session_book*,*learning_book*,*idempotency*,"
                            "*server*,*listener*,*budget*,*pool*,*metrics*",
            "providers_test": "*transport*,*upstream*", "local_engine_test": "*thread*,*batch*"}
VENV = ROOT / ".venv" / "tests"


class Result:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def count(self, passed, failed):
        self.passed += passed
        self.failed += failed

    def fail(self, name, why):
        self.failed += 1
        print(f"FAILED {name}: {why}", flush=True)


def say(text):
    print(f"   {time.strftime('%H:%M:%S')} {text}", flush=True)


def call(*command, timeout=1200, env=None, quiet=True):
    """Runs a command; (status, output). Its output is shown only by whoever finds it wrong."""
    done = subprocess.run([str(c) for c in command], cwd=ROOT, text=True, errors="replace",
                          timeout=timeout, env={**os.environ, **(env or {})},
                          stdout=subprocess.PIPE if quiet else None,
                          stderr=subprocess.STDOUT if quiet else None)
    return done.returncode, done.stdout or ""


def must(*command, **kwargs):
    status, output = call(*command, **kwargs)
    if status != 0:
        raise RuntimeError(f"{' '.join(str(c) for c in command)}: exit {status}\n{output[-6000:]}")
    return output


def build(preset, *targets):
    """Configures, builds, and answers the paths of the programs."""
    must("cmake", "--preset", preset)
    say(f"building {preset}: {' '.join(targets)}")
    must("cmake", "--build", "--preset", preset, "-j", JOBS, "--target", *targets, timeout=3000)
    return [ROOT / "build" / preset / target for target in targets]


def count_doctest(result, name, status, output):
    found = re.search(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed", output)
    if not found:
        result.fail(name, f"exit {status}, no summary\n{output[-6000:]}")
        return
    passed, failed = int(found.group(2)), int(found.group(3))
    result.count(passed, failed)
    if failed or status != 0:
        print(output[-8000:], flush=True)
    if status != 0 and failed == 0:  # a sanitizer's verdict after the last case
        result.fail(name, f"exit {status}")
    say(f"{name}: {passed} passed, {failed} failed")


def run_unit(result, programs, env=None, filters=None, what=""):
    """The unit test programs, as many at once as there are cores."""
    def one(program):
        arguments = []
        chosen = dict(env or {})
        if program.name == "local_engine_test" and "ASAN_OPTIONS" in chosen:
            chosen.update(ENGINE_ASAN)
        if filters:
            arguments = [f"-sf={filters[program.name]}"]
        return program, call(program, *arguments, env=chosen)
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        for program, (status, output) in pool.map(one, programs):
            count_doctest(result, f"{what}{program.name}", status, output)


# The step `weights` runs these tests on a real model; here they would take many minutes.
NO_WEIGHTS = {"JEVONS_CONFORMANCE": str(ROOT / "build" / "none")}
ASAN_OPTIONS = "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return="
# GCC 12 gives fake stack frames that are not aligned for 64-byte vectors (PR 110027).
ENGINE_ASAN = {"ASAN_OPTIONS": ASAN_OPTIONS + "0"}
SANITIZER = {**NO_WEIGHTS,
             "ASAN_OPTIONS": ASAN_OPTIONS + "1",
             "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
             "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}


def tidy(result, _full):
    status, output = call(sys.executable, "tests/tidy/tidy.py", "--self-test")
    found = re.search(r"(\d+) passed, (\d+) failed", output)
    result.count(int(found.group(1)), int(found.group(2)))
    status, output = call(sys.executable, "tests/tidy/tidy.py")
    result.count(1 if status == 0 else 0, 0 if status == 0 else 1)
    if status != 0:
        print(output, flush=True)


def asan(result, _full):
    run_unit(result, build("asan", *UNIT_TESTS), SANITIZER, what="asan ")


def clang(result, _full):
    run_unit(result, build("clang", *UNIT_TESTS), NO_WEIGHTS, what="clang ")


def tsan(result, _full):
    programs = build("tsan", *THREADED)
    run_unit(result, programs, SANITIZER, THREADED, "tsan ")


def release(result, _full):
    run_unit(result, build("release", *UNIT_TESTS), what="release ")


def virtual_environment():
    requirements = ROOT / "tests" / "e2e" / "requirements.txt"
    stamp = VENV / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        say("installing Python packages into .venv/tests")
        shutil.rmtree(VENV, ignore_errors=True)
        must(shutil.which("python3"), "-m", "venv", VENV)
        must(VENV / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r",
             requirements)
        shutil.copy(requirements, stamp)
    return VENV / "bin" / "python"


def node_packages():
    folder = ROOT / "tests" / "e2e" / "node"
    if not (folder / "node_modules" / "openai").is_dir():
        say("installing Node packages into tests/e2e/node")
        must("npm", "ci", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error")


def conformance():
    """Real weights, vocabularies and templates in build/conformance, downloaded once."""
    folder = ROOT / "build" / "conformance"
    if not (folder / "complete").exists():
        say("downloading real weights, vocabularies and templates into build/conformance")
        must("tests/local_engine/fetch_conformance", env={"JEVONS_CONFORMANCE": str(folder)})
    return folder


def weights(result, _full):
    """The engine's tests with outside data: none may be skipped for want of it."""
    environment = {"JEVONS_CONFORMANCE": str(conformance()), "JEVONS_CONFORMANCE_REQUIRED": "1"}
    run_unit(result, build("release", "local_engine_test"), environment, what="weights ")


def e2e(result, _full):
    python = virtual_environment()
    node_packages()
    conformance()
    build("release", "jevons", "scripted_upstream")
    report = ROOT / "build" / "e2e.xml"
    status, output = call(python, "-m", "pytest", "-c", "tests/e2e/pytest.ini", "tests/e2e",
                          f"--junitxml={report}", "--tb=short", timeout=1500,
                          env={"PYTHONDONTWRITEBYTECODE": "1"})
    found = re.search(r'tests="(\d+)"', report.read_text()) if report.exists() else None
    if not found:
        raise RuntimeError(output[-6000:])
    text = report.read_text()
    total = int(found.group(1))
    bad = len(re.findall(r"<testcase [^>]*>\s*<(?:failure|error)", text))
    skipped = len(re.findall(r"<skipped", text))
    result.count(total - bad - skipped, bad)
    if status != 0:
        print(output[-20000:], flush=True)
        if bad == 0:
            result.fail("pytest", f"exit {status}")


def soak(result, full):
    """Everything at once on the sanitized gateway, over remote targets and over a local model."""
    python = virtual_environment()
    folder = conformance()
    build("asan", "jevons", "scripted_upstream")
    for kind in ([], ["--local"]):
        status, output = call(python, "tests/soak/run", "--seconds", "300" if full else "20", *kind,
                              timeout=1800, env={**SANITIZER, **ENGINE_ASAN,
                                                 "JEVONS_CONFORMANCE": str(folder),
                                                 "JEVONS_BUILD": "build/asan"})
        result.count(1 if status == 0 else 0, 0 if status == 0 else 1)
        say(output.strip().split("\n")[-1])
        if status != 0:
            print(output[-20000:], flush=True)


def schemas(result, _full):
    python = virtual_environment()
    build("release", "jevons")
    status, output = call(python, "tests/steps/schemas.py")
    found = re.search(r"(\d+) passed, (\d+) failed", output)
    if not found:
        raise RuntimeError(output)
    result.count(int(found.group(1)), int(found.group(2)))
    if status != 0:
        print(output, flush=True)


def rules(result, _full):
    """promtool: every rules file is valid, and its unit tests hold."""
    files = sorted((ROOT / "dashboards").rglob("*.y*ml"))
    tests = [f for f in files if "rule_files:" in f.read_text()]
    plain = [f for f in files if f not in tests and "groups:" in f.read_text()]
    for kind, group in (("check", plain), ("test", tests)):
        for path in group:
            status, output = call("promtool", kind, "rules", path)
            result.count(1 if status == 0 else 0, 0)
            if status != 0:
                result.fail(f"promtool {kind} rules {path.name}", output)


def fuzz(result, full):
    """Replays every corpus, then lets each target look for more."""
    status, output = call("tests/fuzz/run", *(["--full"] if full else []), timeout=7200)
    found = re.search(r"(\d+) passed, (\d+) failed", output)
    if not found:
        raise RuntimeError(output[-6000:])
    result.count(int(found.group(1)), int(found.group(2)))
    if status != 0:
        print(output[-8000:], flush=True)


STEPS = {
    "tidy": (tidy, "habits of the code, and the self-test of that check"),
    "schemas": (schemas, "JSON Schemas, and the shipped YAML against them"),
    "rules": (rules, "Prometheus rules and their unit tests"),
    "weights": (weights, "the engine on a real model, 14 vocabularies and 60 templates (release)"),
    "e2e": (e2e, "end to end on the release build: both SDKs, money, faults, framing"),
    "asan": (asan, "all unit tests under AddressSanitizer and UBSan (g++)"),
    "soak": (soak, "everything at once on the sanitized gateway, then the books"),
    "clang": (clang, "all unit tests with the second compiler"),
    "tsan": (tsan, "what shares threads, under ThreadSanitizer"),
    "fuzz": (fuzz, "corpora, then fuzzing of each target"),
}
# Built last, and left out on a machine so slow, or with so cold a cache, that what comes before took
# this long: a run has to end. --full and --only run them always.
LATE = ("tsan", "fuzz")
LATE_MINUTES = 45
