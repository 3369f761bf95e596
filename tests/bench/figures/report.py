"""One line per figure, as text and as JSON."""

import json
import statistics
import sys


class Report:
    def __init__(self, only=None, json_file=None):
        self.only = only
        self._json = open(json_file, "w", encoding="utf-8") if json_file else None

    def wanted(self, *names):
        """Is any of these figures (or groups, by prefix) asked for?"""
        return not self.only or any(n.startswith(self.only) or self.only.startswith(n)
                                    for n in names)

    def figure(self, name, runs, unit, goal=None, direction="<=", note=""):
        """`runs`: one value a run; None or empty: absent, never a win."""
        if self.only and not name.startswith(self.only):
            return
        runs = [r for r in (runs or []) if r is not None]
        value = statistics.median(runs) if runs else None
        low, high = (min(runs), max(runs)) if runs else (None, None)
        if value is None:
            line = f"{name:48} absent"
        else:
            line = f"{name:48} {short(value):>10} {unit:8}"
            line += f" goal {direction} {short(goal)}" if goal is not None else " report"
            line += f"  runs {short(low)}..{short(high)}"
        print(line + (f"  ({note})" if note else ""), flush=True)
        if self._json:
            row = {"figure": name, "value": value, "unit": unit, "goal": goal,
                   "direction": direction, "runs": len(runs), "min": low, "max": high}
            self._json.write(json.dumps(row) + "\n")
            self._json.flush()


def short(value):
    if value is None:
        return "-"
    if isinstance(value, int) or value == int(value):
        return f"{int(value)}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def progress(text):
    print(f"  .. {text}", file=sys.stderr, flush=True)
