"""Sessions: sticky while the prompt cache is worth it, and up when a tool loop keeps failing."""

from support import world

TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {
    "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}}}]
SESSION = {"x-jevons-session": "run-1"}
SCRIPT = {"defaults": {"text": "Done.", "chunk_ms": 0}}


def loop(results):
    """An agent's conversation whose last steps are calls of one tool with these results."""
    messages = [{"role": "user", "content": "Fix the build of this project."}]
    for i, result in enumerate(results):
        messages.append({"role": "assistant", "content": None, "tool_calls": [
            {"id": f"c{i}", "type": "function",
             "function": {"name": "read", "arguments": '{"path": "x"}'}}]})
        messages.append({"role": "tool", "tool_call_id": f"c{i}", "content": result})
    return messages


def ask(stack, messages):
    status, fields, answer = stack.chat(messages=messages, tools=TOOLS, headers=SESSION)
    assert status == 200, answer
    return fields["x-jevons-target"]


def test_a_tool_loop_stays_until_its_calls_fail_twice_in_a_row(stack):
    # The floor is out of the cheap target's reach: only the loop holds it there.
    stack.start(models=(world.LOCAL, world.SONNET), script=SCRIPT,
                policies=[{**world.POLICY, "quality": {"floor": 0.95, "relative_to": "best"},
                           "rules": [{"name": "start cheap", "when": {"in_tool_loop": False},
                                      "only": {"tier": "local"}}]}])
    assert ask(stack, loop([])) == "local-moe"
    assert ask(stack, loop(["a = 1"])) == "local-moe"
    assert ask(stack, loop(["a = 1", "Error: no such file"])) == "local-moe"
    assert ask(stack, loop(["Error: no such file", "Error: no such file"])) == "sonnet"
    # Up, and not down again inside the loop.
    assert ask(stack, loop(["Error: x", "Error: x", "b = 2"])) == "sonnet"
    stack.check_books()


def test_a_session_keeps_its_target_while_the_cache_is_worth_more_than_the_price(stack):
    long = "The quick brown fox jumps over the lazy dog. " * 600
    first = {"tag.stage": "first"}
    stack.start(models=(world.SONNET, world.GPT), script=SCRIPT,
                policies=[{**world.POLICY, "quality": {"floor": 0.5, "relative_to": "best"},
                           "rules": [{"name": "begin there", "when": first,
                                      "only": {"target": "sonnet"}}]}])
    messages = [{"role": "user", "content": long}]
    _, fields, _ = stack.chat(messages=messages,
                              headers={**SESSION, "x-jevons-tags": "stage=first"})
    assert fields["x-jevons-target"] == "sonnet"
    messages += [{"role": "assistant", "content": "Done."},
                 {"role": "user", "content": "And now in one word?"}]
    _, fields, _ = stack.chat(messages=messages, headers=SESSION)
    assert (fields["x-jevons-target"], fields["x-jevons-reason"]) == ("sonnet", "session_sticky")
    # Without a session there is no cache to lose, and the cheaper target serves.
    _, fields, _ = stack.chat(messages=messages)
    assert fields["x-jevons-target"] == "gpt"
    stack.check_books()
