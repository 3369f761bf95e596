#!/usr/bin/env python3
"""What llama.cpp predicts for tests/local_engine/data/perplexity_text.txt, for perplexity_test.cpp.

  llama-perplexity -m SmolLM2-135M-Instruct.Q4_1.gguf -f tests/local_engine/data/perplexity_text.txt \\
    -c 224 --kl-divergence-base base.bin        (build 11434, CPU, f16 cache)
  tests/local_engine/make_perplexity.py base.bin > tests/local_engine/data/perplexity_smollm2.txt

It writes the context's length, the tokens, and for each judged position (the second half of each
context but its last) the 16 likeliest next tokens with the logarithms of their probabilities.
"""
import sys

import numpy as np

KEPT = 16

raw = open(sys.argv[1], "rb").read()
assert raw[:8] == b"_logits_"
context, vocabulary, chunks = np.frombuffer(raw, np.int32, 3, 8)
tokens = np.frombuffer(raw, np.int32, chunks * context, 20)
rows = chunks * (context - 1 - context // 2)
row_bytes = 2 * (2 * ((vocabulary + 1) // 2) + 4)
assert len(raw) == 20 + 4 * chunks * context + rows * row_bytes
print(context)
print(*tokens)
for row in range(rows):
    at = 20 + 4 * chunks * context + row * row_bytes
    scale, least = np.frombuffer(raw, np.float32, 2, at)
    logs = least + scale * np.frombuffer(raw, np.uint16, vocabulary, at + 8).astype(np.float64)
    best = np.argsort(-logs)[:KEPT]
    print(*(f"{token} {logs[token]:.4f}" for token in best))
