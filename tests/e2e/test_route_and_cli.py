"""The dry run, feedback, and the command line."""

import json
import os
import subprocess

import pytest

from support import processes, world


def route(stack, content="What is the capital of France?", **body):
    return stack.post({"model": "auto", "messages": [{"role": "user", "content": content}],
                       **body}, "/v1/route")


def test_route_calls_nobody(started):
    status, _, answer = route(started)
    assert status == 200, answer
    assert {"target", "policy", "rule", "reason", "task", "difficulty", "uncertainty",
            "prompt_tokens", "predicted_completion_tokens", "relaxed", "candidates", "baseline",
            "baseline_cost_usd", "plan", "decide_us"} <= set(answer)
    assert answer["target"] == "local-moe" and answer["reason"] == "cheapest_above_floor"
    assert answer["baseline"] == "sonnet" and answer["plan"][0] == {"target": "local-moe",
                                                                   "on": "start"}
    assert {c["target"] for c in answer["candidates"]} >= {"local-moe", "sonnet", "gpt"}
    for candidate in answer["candidates"]:
        assert candidate["eligible"] == (candidate["why_not"] is None)
    assert started.upstream.bill()["total"]["calls"] == 0


def test_hard_prompt_needs_more_than_easy(started):
    easy = route(started, "Hi!")[2]
    hard = route(started, "Prove that every finite field extension of a perfect field is separable "
                 "and derive the primitive element theorem rigorously, with all lemmas.")[2]
    assert easy["difficulty"] < hard["difficulty"]


def test_pinned_model_is_served_by_itself(started):
    answer = route(started, model="sonnet")[2]
    assert (answer["target"], answer["reason"], answer["baseline"]) == ("sonnet", "pinned_model",
                                                                        "sonnet")


def test_infeasible_says_why(started):
    status, _, answer = route(started, "x" * 3_000_000)
    assert status == 200 and answer["target"] is None
    assert {c["why_not"] for c in answer["candidates"]} <= {"context", "capability"}


def test_quality_header_moves_the_floor(started):
    status, _, low = started.post({"model": "auto", "messages": [
        {"role": "user", "content": "Prove Fermat's little theorem."}]}, "/v1/route",
        headers={"x-jevons-quality": "0.0"})
    status, _, high = started.post({"model": "auto", "messages": [
        {"role": "user", "content": "Prove Fermat's little theorem."}]}, "/v1/route",
        headers={"x-jevons-quality": "1.0"})
    assert low["target"] == "local-moe" and high["target"] != "local-moe"


def test_feedback(started):
    _, fields, _ = started.chat()
    request = fields["x-request-id"]
    send = {"request_id": request, "score": 0.5, "source": "test"}
    status, _, answer = started.post(send, "/v1/feedback")
    assert (status, answer) == (200, {"request_id": request, "accepted": True})
    assert started.post(send, "/v1/feedback")[0] == 200, "the same source replaces"
    assert started.post({**send, "score": 1.5}, "/v1/feedback")[0] == 400
    assert started.post({**send, "source": "é" * 64}, "/v1/feedback")[0] == 200, "characters"
    for bad, code in (({**send, "source": "x" * 65}, "invalid_value"),
                      ({**send, "label": "x" * 1025}, "invalid_value"),
                      ([send], "invalid_value")):
        status, _, answer = started.post(bad, "/v1/feedback")
        assert (status, answer["error"]["code"]) == (400, code)
    assert started.post({**send, "request_id": "01234567-unknown"}, "/v1/feedback")[0] in (400,
                                                                                           404)


def test_check_finds_all_errors_at_once(stack):
    stack.configure(with_key=False)
    (stack.folder / "gateway" / "default.yaml").write_text(
        "policy: default\nserves: [auto]\nbaseline: nobody\nobjectiv: cheapest\n"
        "quality: {floor: 2}\n")
    done = processes.cli(stack.config, "check", check=False, env=stack.env())
    text = done.stdout + done.stderr
    assert done.returncode == 4
    assert "default.yaml:3" in text and "default.yaml:4:1" in text and "default.yaml:5" in text
    assert "objective" in text, "a did-you-mean"
    assert "^" in text, "a caret under the place"


def test_check_goes_on_after_duplicate_keys_and_aliases(stack):
    stack.configure(with_key=False)
    (stack.folder / "gateway" / "default.yaml").write_text(
        "policy: default\nserves: &s [auto]\nserves: [x]\nbaseline: *b\nobjectiv: cheapest\n"
        "sla: {ttft_p95: 2parsecs}\n")
    done = processes.cli(stack.config, "check", check=False, env=stack.env())
    text = done.stdout + done.stderr
    assert done.returncode == 4
    for place in ("2:9: anchors", "3:1: key 'serves' is given twice; first in line 2",
                  "4:11: aliases", "5:1: unknown key 'objectiv'", "6:17: ttft_p95 takes"):
        assert f"default.yaml:{place}" in text, text
    assert "5 errors, nothing was loaded" in text


@pytest.mark.parametrize("name,text", [
    ("duplicate key", "policy: default\npolicy: again\n"),
    ("alias", "policy: &a default\nserves: [*a]\n"),
    ("tab", "policy: default\nserves:\n\t- auto\n"),
    ("unknown unit", "policy: default\nserves: [auto]\nbaseline: gpt\nsla: {ttft_p95: 2parsecs}\n"),
    ("not YAML", "policy: [default\n"),
    ("empty", ""),
    ("a list", "- policy\n"),
])
def test_check_refuses_bad_yaml(stack, name, text):
    stack.configure(with_key=False)
    (stack.folder / "gateway" / "default.yaml").write_text(text)
    done = processes.cli(stack.config, "check", check=False, env=stack.env())
    assert done.returncode == 4, done.stdout + done.stderr
    assert "default.yaml" in done.stdout + done.stderr


def test_check_accepts_a_good_configuration(stack):
    stack.configure(with_key=False)
    assert processes.cli(stack.config, "check", env=stack.env()).returncode == 0


def test_missing_price_is_refused_at_the_door(stack):
    stack.configure()
    catalog = [m.target() for m in world.FOUR]
    prices = [m.price_row() for m in world.FOUR]
    del prices[2]["output"]
    world.save(stack.folder / "gateway" / "catalog.yaml", {"targets": catalog})
    world.save(stack.folder / "gateway" / "prices.yaml", {"prices": prices})
    stack.start()
    status, _, answer = stack.chat(model="small")
    assert (status, answer["error"]["code"]) == (400, "price_unknown")


def test_web_searches_without_limit_are_refused_where_they_cannot_be_priced(stack):
    stack.configure(models=world.ALL)
    stack.start()
    status, _, answer = stack.chat(model="gpt", web_search_options={})
    assert (status, answer["error"]["code"]) == (400, "price_unknown")
    assert "it may run web searches without limit" in answer["error"]["message"]


@pytest.mark.parametrize("command", [["--version"], ["--help"], ["serve", "--help"],
                                     ["spend", "--help"], ["keys", "--help"]])
def test_help(command):
    done = subprocess.run([str(processes.BUILD / "jevons"), *command], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 0 and done.stdout


@pytest.mark.parametrize("command", [["sped"], ["spend", "--bye"], []])
def test_usage_errors_exit_2(command):
    done = subprocess.run([str(processes.BUILD / "jevons"), *command], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 2 or (command == [] and done.returncode in (0, 2))
    assert done.stderr or command == []


@pytest.mark.parametrize("command", [[], ["keys"], ["--config", "x", "policy"]])
def test_without_a_command_what_there_is_is_listed(command):
    done = subprocess.run([str(processes.BUILD / "jevons"), *command], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 2 and "Subcommands:" in done.stderr and not done.stdout


@pytest.mark.parametrize("command,said", [
    (["sped"], "unknown command 'sped'; did you mean 'spend'?\n"),
    (["--config", "x", "keys", "creat", "ci"], "unknown command 'creat'; did you mean 'create'?\n"),
])
def test_a_mistyped_command_is_named(command, said):
    done = subprocess.run([str(processes.BUILD / "jevons"), *command], capture_output=True,
                          text=True, timeout=20)
    assert (done.returncode, done.stderr) == (2, said)


def test_check_takes_several_configurations(stack):
    stack.configure(with_key=False)
    bad = stack.config.with_name("bad.yaml")
    bad.write_text("a: 1\n", encoding="utf-8")
    done = subprocess.run([str(processes.BUILD / "jevons"), "check", "--json", str(stack.config),
                           str(bad)], capture_output=True, text=True, timeout=20,
                          env={**os.environ, **stack.env()})
    assert done.returncode == 4
    assert [json.loads(line)["ok"] for line in done.stdout.splitlines()] == [True, False]


def test_conditions_have_the_types_that_the_schema_says(stack):
    rules = [{"when": {"tag.data": True}, "floor": 0.1}, {"when": {"difficulty": [7]}, "floor": 0.1}]
    stack.configure(policies=[{**world.POLICY, "rules": rules}], with_key=False)
    done = processes.cli(stack.config, "check", check=False, env=stack.env())
    assert done.returncode == 4
    assert "tag.data" in done.stderr and "difficulty" in done.stderr


def test_explain_prices_and_targets(started):
    explained = started.gateway.cli("explain", "--json", "What is the capital of France?")
    assert json.loads(explained.stdout)["target"] == "local-moe"
    assert "anthropic/claude-sonnet-4-6" in started.gateway.cli("prices", "list").stdout
    tested = started.gateway.cli("targets", "test")
    assert tested.stdout.count("ok") >= 5


def test_policy_tests_run(stack):
    stack.configure(with_key=False)
    tests = stack.folder / "tests.yaml"
    world.save(tests, [{"name": "easy stays home", "prompt": "Hi!",
                        "expect": {"target": "local-moe", "reason": "cheapest_above_floor"}}])
    done = processes.cli(stack.config, "policy", "test", str(tests), env=stack.env(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    world.save(tests, [{"name": "wrong", "prompt": "Hi!", "expect": {"target": "sonnet"}}])
    done = processes.cli(stack.config, "policy", "test", str(tests), env=stack.env(), check=False)
    assert done.returncode == 1
    assert "local-moe" in done.stdout + done.stderr


def test_init_writes_a_configuration_that_checks(tmp_path):
    done = subprocess.run([str(processes.BUILD / "jevons"), "init"], cwd=tmp_path, text=True,
                          capture_output=True, timeout=20,
                          env={**__import__("os").environ, "OPENAI_API_KEY": "sk-test"})
    assert done.returncode == 0, done.stderr
    assert "OPENAI_API_KEY" in (tmp_path / "jevons.yaml").read_text()
    assert "sk-test" not in (tmp_path / "jevons.yaml").read_text()
    checked = subprocess.run([str(processes.BUILD / "jevons"), "check"], cwd=tmp_path, text=True,
                             capture_output=True, timeout=20,
                             env={**__import__("os").environ, "OPENAI_API_KEY": "sk-test"})
    assert checked.returncode == 0, checked.stdout + checked.stderr
