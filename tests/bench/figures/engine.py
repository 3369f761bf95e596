"""The local engine's figures come from its own program, tests/bench/engine, which prints the same
JSON lines; without it, or without a model or a GPU, they are absent."""

import json
import os
import subprocess

from support import processes

ABSENT = {
    "engine": ["engine.decode_vs_llamacpp.smollm2", "engine.decode_vs_llamacpp.olmoe",
               "engine.prefill_vs_llamacpp.smollm2", "engine.prefill_vs_llamacpp.olmoe",
               "engine.decode_vs_bandwidth.olmoe", "engine.batch8_vs_batch1.smollm2",
               "engine.batch8_vs_bandwidth.olmoe", "engine.contended_decode_vs_llamacpp.smollm2",
               "engine.load_ms_12gb", "engine.prefix_hit_ttft_vs_cold",
               "engine.grammar_mask_us_p50", "engine.grammar_mask_us_p99"],
    "gpu": ["gpu.read_gb_per_s", "gpu.decode_vs_roofline.olmoe", "gpu.decode_vs_llamacpp.olmoe",
            "gpu.prefill_vs_peak", "gpu.total_tokens_per_s.gptoss20b"],
}


def run(report, quick, group):
    program = processes.ROOT / "tests" / "bench" / "engine"
    if not (program.is_file() and os.access(program, os.X_OK)):
        for name in ABSENT[group]:
            report.figure(name, [], "")
        return
    command = [str(program), "--group", group] + (["--quick"] if quick else [])
    if report.only:
        command += ["--only", report.only]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=3600)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        runs = row.get("values") or ([row["value"]] if row["value"] is not None else [])
        report.figure(row["figure"], runs, row["unit"], row["goal"], row["direction"])
