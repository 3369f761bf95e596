#!/usr/bin/env python3
"""The steps of tests/run, in order, with times; ends with `N passed, M failed`."""

import argparse
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import steps  # noqa: E402


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    parser.add_argument("--only", metavar="STEP", action="append",
                        help="run this step alone (may be repeated)")
    parser.add_argument("--full", action="store_true", help="every step however slow the machine, longer fuzzing")
    parser.add_argument("--list", action="store_true", help="print the steps")
    arguments = parser.parse_args()
    if arguments.list:
        for name, (_, what) in steps.STEPS.items():
            print(f"{name:12} {what}")
        return 0
    unknown = [n for n in arguments.only or [] if n not in steps.STEPS]
    if unknown:
        print(f"tests/run: no step {unknown[0]}; tests/run --list shows them", file=sys.stderr)
        return 2
    os.chdir(steps.ROOT)
    passed = failed = 0
    summary = []
    begin = time.monotonic()
    for name in arguments.only or steps.STEPS:
        step, what = steps.STEPS[name]
        spent = (time.monotonic() - begin) / 60
        if name in steps.LATE and spent > steps.LATE_MINUTES and not (arguments.only or
                                                                      arguments.full):
            summary.append(f"{name:12} left out: {spent:.0f} minutes have gone; --only {name}")
            print(f"-- {summary[-1]}", flush=True)
            continue
        print(f"== {name}: {what}", flush=True)
        started = time.monotonic()
        result = steps.Result()
        try:
            step(result, arguments.full)
        except Exception as error:  # a step that cannot run is a failed test, not a missing one
            result.fail(name, str(error))
        took = time.monotonic() - started
        if result.passed + result.failed == 0:
            result.fail(name, "ran no test at all")
        passed += result.passed
        failed += result.failed
        line = f"{name:12} {result.passed:6} passed {result.failed:4} failed {took:7.1f} s"
        summary.append(line)
        print(f"-- {line}", flush=True)
    print("\n".join(["", *summary, f"{'total':12} {time.monotonic() - begin:32.1f} s"]))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
