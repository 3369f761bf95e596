"""SmolLM2-135M-Instruct inside the gateway; tests/local_engine/fetch_conformance brings its file."""

import os
import pathlib

from . import processes, world

MODEL = pathlib.Path(os.environ.get("JEVONS_CONFORMANCE", processes.ROOT / "build" / "conformance")
                     ) / "smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
TARGET = {"name": "smollm2", "provider": "local", "model": str(MODEL), "tier": "local",
          "context": 2048, "max_output": 1024, "slots": 2,
          "can": ["chat", "stream", "tools", "json_schema", "logprobs"],
          "cost": {"usd_per_hour": world.Number("3.6")},  # a microdollar a millisecond
          "ability": {"overall": 0.3}, "latency": {"ttft_ms": 100, "tpot_ms": 10}}
POLICY = {"policy": "default", "serves": ["auto"], "baseline": "smollm2", "objective": "cheapest"}


def must_be_there():
    if not MODEL.is_file():
        raise FileNotFoundError(
            f"{MODEL} is missing: tests/local_engine/fetch_conformance brings it")


def configure(folder, **target):
    """Writes a configuration with that one target; returns the path of jevons.yaml."""
    must_be_there()
    config = world.write(folder, "", models=(), policies=[POLICY],
                         config={"providers": {"local": {"api": "local"}}})
    world.save(folder / "catalog.yaml", {"targets": [{**TARGET, **target}]})
    return config
