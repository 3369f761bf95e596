"""Targets, prices and policies of a test, for the gateway and for the scripted upstream."""

import dataclasses
import json
import pathlib

from . import money

RATES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")


@dataclasses.dataclass
class Model:
    """One target and what it costs, in USD per million tokens as decimal text."""
    name: str
    provider: str
    model: str
    tier: str
    ability: float
    input: str
    output: str = None
    cache_read: str = None
    cache_write_5m: str = None
    cache_write_1h: str = None
    reasoning: str = None
    context: int = 200_000
    max_output: int = 16_000
    can: tuple = ("chat", "stream", "tools", "json_schema", "logprobs")
    latency: tuple = (200, 5)
    labels: dict = None
    rejects: tuple = ()
    aliases: tuple = ()
    efforts: tuple = ()
    by_effort: dict = None  # {"low": 0.7}: ability at an effort that is an arm
    modes: dict = None  # {"flex": {"input": "1.25", "output": "7.50"}}
    above: dict = None  # {200000: {"input": "4", "output": "18"}}: more prompt tokens than that

    def price_row(self):
        row = {"id": f"{self.provider}/{self.model}", "from": "2025-01-01",
               "input": Number(self.input)}
        if self.output is not None:
            row["output"] = Number(self.output)
        if self.cache_read is not None:
            row["cache_read"] = Number(self.cache_read)
        if self.cache_write_5m is not None:
            row["cache_write"] = {"5m": Number(self.cache_write_5m),
                                  "1h": Number(self.cache_write_1h or self.cache_write_5m)}
        if self.reasoning is not None:
            row["reasoning"] = Number(self.reasoning)
        if self.modes:
            row["modes"] = {name: numbers(rates) for name, rates in self.modes.items()}
        if self.above:
            row["tiers"] = [{"above": limit, **numbers(rates)}
                            for limit, rates in self.above.items()]
        row["source"] = "test"
        return row

    def target(self):
        target = {"name": self.name, "provider": self.provider, "model": self.model,
                  "price": f"{self.provider}/{self.model}", "tier": self.tier,
                  "context": self.context, "max_output": self.max_output, "can": list(self.can),
                  "ability": {"overall": self.ability},
                  "latency": {"ttft_ms": self.latency[0], "tpot_ms": self.latency[1]}}
        if self.by_effort:
            target["by_effort"] = {effort: {"overall": ability}
                                   for effort, ability in self.by_effort.items()}
        for key in ("labels", "rejects", "aliases", "efforts"):
            value = getattr(self, key)
            if value:
                target[key] = value if isinstance(value, dict) else list(value)
        return target

    def upstream_price(self):
        rates = {}
        for name in RATES:
            value = getattr(self, name)
            if value is not None:
                rates[name] = money.picodollars_per_token(value)
        if "cache_write_5m" in rates:
            rates.setdefault("cache_write_1h", rates["cache_write_5m"])
        if self.modes:
            rates["modes"] = {name: picodollars(row) for name, row in self.modes.items()}
        if self.above:
            rates["tiers"] = [{"from": limit + 1, "rates": picodollars(row)}
                              for limit, row in self.above.items()]
        return rates


def numbers(rates):
    return {name: Number(value) for name, value in rates.items()}


def picodollars(rates):
    return {name: money.picodollars_per_token(value) for name, value in rates.items()}


class Number(str):
    """A decimal that is written without quotes and without a detour over binary floats."""


def to_yaml(value, indent=0):
    """Plain block YAML of dicts, lists and scalars: strings quoted, Numbers bare."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            nested = isinstance(item, (dict, list)) and item
            lines.append(f"{pad}{key}:" + ("\n" + to_yaml(item, indent + 1) if nested
                                           else " " + to_yaml(item)))
        return "\n".join(lines)
    if isinstance(value, list) and value:
        lines = []
        for item in value:
            if isinstance(item, dict) and item:
                lines.append(pad + "- " + to_yaml(item, indent + 1).lstrip())
            else:
                lines.append(pad + "- " + to_yaml(item))
        return "\n".join(lines)
    if isinstance(value, Number):
        return str(value)
    return json.dumps(value)


# Real prices of 2026-11 (policies/prices.yaml), one target a tier and wire format.
LOCAL = Model("local-moe", "rack", "gpt-oss-20b", "local", 0.58, "0.03", "0.14",
              latency=(60, 8), labels={"region": "home"})
FLASH = Model("flash-lite", "gemini", "gemini-2.5-flash-lite", "budget", 0.66, "0.10", "0.40",
              cache_read="0.01")
SMALL = Model("small", "mistral", "mistral-small-2603", "budget", 0.70, "0.15", "0.60",
              cache_read="0.015")
SONNET = Model("sonnet", "anthropic", "claude-sonnet-4-6", "premium", 0.93, "3", "15",
               cache_read="0.30", cache_write_5m="3.75", cache_write_1h="6",
               can=("chat", "stream", "tools", "json_schema", "thinking"), latency=(700, 14))
GPT = Model("gpt", "openai", "gpt-5.4", "premium", 0.94, "2.50", "15", cache_read="0.25",
            can=("chat", "stream", "tools", "json_schema", "logprobs", "vision"),
            latency=(500, 12))
EMBED = Model("embed", "openai", "text-embedding-3-small", "budget", 0.5, "0.02",
              can=("embeddings",))
FOUR = (LOCAL, FLASH, SMALL, SONNET)
ALL = FOUR + (GPT, EMBED)

APIS = {"rack": ("openai", "/v1"), "openai": ("openai", "/v1"), "mistral": ("openai", "/v1"),
        "gemini": ("gemini", ""), "anthropic": ("anthropic", "")}
QUIRKS = {"mistral": "mistral", "deepseek": "deepseek", "xai": "xai", "groq": "groq",
          "together": "together", "openrouter": "openrouter", "moonshot": "moonshot",
          "ollama": "ollama", "vllm": "vllm"}

# The floor is low enough that easy prompts go to the local-priced target and hard ones do not.
POLICY = {"policy": "default", "serves": ["auto", "gpt-*"], "baseline": "sonnet",
          "objective": "cheapest", "quality": {"floor": 0.6, "relative_to": "best"},
          "on_infeasible": {"relax": ["sla.ttft_p95", "quality.floor"]},
          "fallback": {"attempts": 3}}


def provider(name, upstream_url, **extra):
    api, suffix = APIS.get(name, ("openai", "/v1"))
    row = {"api": api, "base_url": upstream_url + suffix, "key": "env:UPSTREAM_KEY"}
    if name in QUIRKS:
        row["quirks"] = QUIRKS[name]
    row.update(extra)
    return row


def write(folder, upstream_url, models=ALL, policies=None, config=None, providers=None):
    """Writes jevons.yaml, catalog, prices and policies; returns the path of jevons.yaml."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    policies = [POLICY] if policies is None else policies
    names = dict.fromkeys(m.provider for m in models)
    rows = {name: provider(name, upstream_url) for name in names}
    for name, extra in (providers or {}).items():
        rows[name] = {**rows.get(name, {}), **extra}
    main = {"listen": {"data": "127.0.0.1:0", "admin": "127.0.0.1:0"},
            "ledger": "sqlite:jevons.db", "catalog": "catalog.yaml", "prices": "prices.yaml",
            "policies": [f"{p['policy']}.yaml" for p in policies],
            "default_policy": policies[0]["policy"], "providers": rows}
    main.update(config or {})
    save(folder / "jevons.yaml", main)
    save(folder / "catalog.yaml", {"targets": [m.target() for m in models]})
    save(folder / "prices.yaml", {"prices": [m.price_row() for m in models]})
    for policy in policies:
        save(folder / f"{policy['policy']}.yaml", policy)
    return folder / "jevons.yaml"


def save(path, document):
    pathlib.Path(path).write_text(to_yaml(document) + "\n", encoding="utf-8")


def upstream_prices(models=ALL):
    return {m.model: m.upstream_price() for m in models}
