"""Short form of the replay: prompts of our own through `auto` over four targets. The full one, over
recorded prompts, is tests/bench/run --only replay."""

import concurrent.futures

from support import prompts, world


def test_replay_bills_to_the_nanodollar(stack):
    rows = prompts.generated(360)
    stack.start(models=world.FOUR, script={"lengths": prompts.lengths(rows)})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def ask(numbered):
            number, row = numbered
            if number % 3 == 0:
                status, fields, _, text = stack.stream(row["prompt"])
                return status, fields, text
            return stack.chat(row["prompt"])
        answers = list(pool.map(ask, enumerate(rows)))
    assert {a[0] for a in answers} == {200}, [a[2] for a in answers if a[0] != 200][:3]
    targets = {a[1]["x-jevons-target"] for a in answers}
    assert len(targets) >= 2, f"all went to {targets}"
    report = stack.spend("--by", "target")
    assert report["total"]["requests"] == 360
    assert report["total"]["cost_nanodollars"] == stack.settled_bill()["total"]["nanodollars"]
    assert report["total"]["savings_nanodollars"] > 0
    savings = report["total"]["savings_nanodollars"] / report["total"]["baseline_nanodollars"]
    assert 0.2 < savings < 1
