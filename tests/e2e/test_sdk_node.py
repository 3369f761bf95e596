"""The official OpenAI SDK for Node: one case of node/client.mjs a test."""

import os
import pathlib
import re
import subprocess

import pytest

from support import world

NODE = pathlib.Path(__file__).resolve().parent / "node"
CASES = re.findall(r"^  async (\w+)\(\)", (NODE / "client.mjs").read_text(), re.M)
SLOW = world.Model("slow", "openai", "slow-model", "budget", 0.5, "1", "2")
FLAKY = world.Model("flaky", "openai", "flaky-model", "budget", 0.5, "1", "2")


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.estimated) if c == "cancel"
                                  else c for c in CASES])
def test_node(stack, case):
    if not (NODE / "node_modules" / "openai").is_dir():
        pytest.fail("tests/e2e/node/node_modules is missing: tests/run --only e2e installs it")
    stack.start(models=world.ALL + (SLOW, FLAKY),
                script={"models": {"slow-model": {"tokens": 400, "chunk_ms": 10}}})
    if case == "retries":  # the whole plan of the first request fails, the SDK's second succeeds
        stack.upstream.queue(model="flaky-model", times=3, status=503,
                             headers={"retry-after": "0"})
    done = subprocess.run(["node", "client.mjs", case], cwd=NODE, capture_output=True, text=True,
                          timeout=60, env={**os.environ, "OPENAI_BASE_URL":
                                           stack.gateway.url + "/v1", "OPENAI_API_KEY": stack.key})
    assert done.returncode == 0, done.stdout + done.stderr + stack.gateway.stderr()[-2000:]
