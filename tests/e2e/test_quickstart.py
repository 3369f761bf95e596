"""What a newcomer's first minute shows: the configuration of deploy/quickstart, on real weights."""

import json
import re
import subprocess
import sys

import pytest

from support import processes
from support.local_model import MODEL, must_be_there

BASELINE = "claude-haiku-4-5"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    must_be_there()
    home = tmp_path_factory.mktemp("quickstart")
    (home / "models").mkdir()
    (home / "models" / MODEL.name).symlink_to(MODEL)
    subprocess.run([processes.ROOT / "deploy" / "configure_quickstart", processes.BUILD / "jevons", home,
                    MODEL.name], check=True)
    config = home / "jevons.yaml"
    text = config.read_text()
    config.write_text(re.sub("(?m)^listen:.*", 'listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}',
                             text))
    one = processes.Gateway(config)
    yield one
    assert one.stop() == 0, one.stderr()


def test_the_first_answer_shows_what_it_saved(gateway):
    done = subprocess.run([sys.executable, processes.ROOT / "deploy" / "first_question.py",
                           gateway.url + "/v1", "Why is the sky blue?"], capture_output=True,
                          text=True, check=True, timeout=120)
    figures = dict(re.findall(r"(?m)^(cost|instead) +([0-9.]+) USD", done.stdout))
    assert "target  smollm2" in done.stdout
    prompt, completion = map(int, re.search(r"tokens +(\d+) read, (\d+) written", done.stdout).groups())
    # A dollar a million tokens read and five a million written (policies/prices.yaml).
    assert round(float(figures["instead"]) * 1e9) == prompt * 1000 + completion * 5000
    total = json.loads(gateway.cli("spend", "--json", "--since", "7d").stdout)["total"]
    assert total["baseline_nanodollars"] == prompt * 1000 + completion * 5000
    assert total["savings_nanodollars"] == (total["baseline_nanodollars"]
                                            - total["cost_nanodollars"])
    assert total["savings_nanodollars"] > 0 < total["cost_nanodollars"]


def test_the_baseline_is_never_called(gateway):
    """Not by a policy, and not by its name either: no prompt leaves the machine."""
    for model in ("auto", "claude-opus-4", "gpt-4o", BASELINE):
        status, headers, _ = gateway.post({
            "model": model, "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]})
        if model == BASELINE:
            assert status == 502
        else:
            assert (status, headers["x-jevons-target"]) == (200, "smollm2")
