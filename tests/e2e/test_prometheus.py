"""Dashboards and rules against a real Prometheus that scrapes a real gateway under traffic."""

import json
import pathlib
import re
import shutil
import subprocess
import time
import urllib.parse

import pytest
import yaml

from support import processes

ROOT = processes.ROOT
DASHBOARDS = sorted((ROOT / "dashboards").rglob("*.json"))
RULES = sorted(p for p in (ROOT / "dashboards").rglob("*.y*ml") if "groups:" in p.read_text()
               and "rule_files:" not in p.read_text())
VARIABLES = {"$__rate_interval": "10s", "$__interval": "5s", "$__range": "30s",
             "${__range}": "30s", "$__range_s": "30"}

# What a short run without errors, budgets or an engine cannot show: empty is right there.
MAY_BE_EMPTY = re.compile(
    r"budget|engine|fallback|escalat|unpriced|estimated|code=~\"5|code=~\"4|ALERTS|offset|"
    r"rejected|overshoot|reload_failure|histogram_quantile|reasoning|cache|gpu|hedge|breaker|"
    r"predict_linear|\[1h|\[6h|\[1d|\[7d|\[30d|\[3d|\[2d|\[30m")


def expressions():
    found = []
    for path in DASHBOARDS:
        def walk(node, path=path):
            if isinstance(node, dict):
                if isinstance(node.get("expr"), str):
                    found.append((path.name, node["expr"]))
                for value in node.values():
                    walk(value)
            elif isinstance(node, list):
                for value in node:
                    walk(value)
        walk(json.loads(path.read_text()))
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            found += [(path.name, rule["expr"]) for rule in group["rules"]]
    return found


def concrete(expression):
    """Dashboard variables as Grafana would fill them in for `All`."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$\{?\w+(:\w+)?\}?", ".*", expression)


@pytest.fixture
def scraped(started, tmp_path):
    if not shutil.which("prometheus"):
        pytest.fail("prometheus is not installed (deploy/packages.txt)")
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(p) for p in RULES],
        "scrape_configs": [{"job_name": "jevons", "static_configs": [
            {"targets": [f"127.0.0.1:{started.gateway.admin_port}"]}]}]}))
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = processes.Process(["prometheus", f"--config.file={config}",
                                f"--storage.tsdb.path={tmp_path}/tsdb",
                                f"--web.listen-address=127.0.0.1:{port}"], None,
                               log=tmp_path / "prometheus.log")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if processes.get(port, "/-/ready")[0] == 200:
                break
        except OSError:
            pass
        time.sleep(0.1)
    yield started, port
    server.stop()


def query(port, expression):
    status, _, text = processes.get(port, "/api/v1/query?query=" + urllib.parse.quote(expression))
    return status, json.loads(text)


def test_every_expression_runs_and_shows_data(scraped):
    stack, port = scraped
    assert DASHBOARDS and RULES, "dashboards/ holds the dashboards and the rules"
    end = time.monotonic() + 14
    number = 0
    while time.monotonic() < end:
        number += 1
        assert stack.chat(f"q {number}", model=("auto", "gpt", "sonnet")[number % 3])[0] == 200
        assert stack.stream(f"s {number}")[0] == 200
        time.sleep(0.05)
    wrong, empty = [], []
    for name, expression in expressions():
        status, answer = query(port, concrete(expression))
        if status != 200 or answer["status"] != "success":
            wrong.append((name, expression, answer.get("error")))
        elif not answer["data"]["result"] and name.endswith(".json") and not MAY_BE_EMPTY.search(
                expression):
            empty.append((name, expression))
    assert wrong == []
    assert empty == []
    total = query(port, "sum(jevons_cost_usd_total)")[1]["data"]["result"]
    assert float(total[0]["value"][1]) > 0


def test_metrics_name_only_configured_things(started):
    for number in range(5):
        started.chat(f"q {number}", model="auto")
    started.chat(model="a-name-that-nobody-configured")
    status, fields, text = started.gateway.admin("/metrics")
    assert status == 200 and fields["content-type"].startswith("text/plain")
    assert "a-name-that-nobody-configured" not in text
    assert started.key not in text and "sk-upstream-secret" not in text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("jevons_requests_total", "jevons_request_duration_seconds_bucket",
                 "jevons_time_to_first_token_seconds_bucket", "jevons_gateway_overhead_seconds",
                 "jevons_input_tokens_total", "jevons_output_tokens_total",
                 "jevons_cost_usd_total", "jevons_baseline_cost_usd_total",
                 "jevons_route_decisions_total", "jevons_upstream_attempts_total",
                 "jevons_inflight_requests", "jevons_build_info", "process_"):
        assert name in text, name


def test_metric_totals_are_the_ledger(started):
    for number in range(6):
        started.chat(f"q {number}", model=("auto", "sonnet")[number % 2])
    bill = started.settled_bill()["total"]["nanodollars"]
    text = started.gateway.admin("/metrics")[2]
    cost = sum(float(line.rsplit(" ", 1)[1]) for line in text.split("\n")
               if line.startswith("jevons_cost_usd_total{"))
    assert abs(cost - bill / 1e9) < 1e-9


