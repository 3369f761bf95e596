#!/usr/bin/env python3
"""Reference logits of tiny models from Hugging Face transformers, one file an architecture.

Needs python3-torch and python3-transformers (Debian sid: 2.14 and 5.12). Weights are not stored: both
sides make them from the same formula (local_engine/synth.h, synth_value). Run it as
  tests/local_engine/make_references.py tests/local_engine/data
"""
import sys

import numpy as np
import torch
import transformers as hf

LAYERS, EMBED, VOCAB, TOKENS = 3, 64, 80, 24


def noise(name, count):
    h = np.uint64(0xCBF29CE484222325)
    with np.errstate(over="ignore"):
        for c in name.encode():
            h = (h ^ np.uint64(c)) * np.uint64(0x100000001B3)
        x = h + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def tensor(name, shape, base=0.0, scale=1.0):
    values = np.float32(base) + np.float32(scale) * noise(name, int(np.prod(shape)))
    return torch.tensor(values.reshape(shape))


def matrix(name, *shape):
    return tensor(name, shape, 0, np.sqrt(np.float32(3) / np.float32(shape[-1])))


def norm(name, size):
    return tensor(name, (size,), 1, 0.25)


def bias(name, *shape):
    return tensor(name, shape, 0, 0.3)


def halves(weight, heads):
    """GGUF's interleaved rows (llama, granite) in the order that transformers rotates."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def base_state(spec):
    state = {"model.embed_tokens.weight": tensor("token_embd.weight", (VOCAB, EMBED)),
             "model.norm.weight": norm("output_norm.weight", EMBED)}
    state["lm_head.weight"] = (state["model.embed_tokens.weight"] if spec.get("tied")
                               else matrix("output.weight", VOCAB, EMBED))
    return state


def attention(state, spec, i):
    p, b = f"model.layers.{i}.", f"blk.{i}."
    heads, kv, dim = spec["heads"], spec["kv_heads"], spec["dim"]
    q, k = matrix(b + "attn_q.weight", heads * dim, EMBED), matrix(b + "attn_k.weight", kv * dim, EMBED)
    if spec["interleaved"]:
        q, k = halves(q, heads), halves(k, kv)
    state[p + "self_attn.q_proj.weight"] = q
    state[p + "self_attn.k_proj.weight"] = k
    state[p + "self_attn.v_proj.weight"] = matrix(b + "attn_v.weight", kv * dim, EMBED)
    state[p + "self_attn.o_proj.weight"] = matrix(b + "attn_output.weight", EMBED, heads * dim)
    state[p + "input_layernorm.weight"] = norm(b + "attn_norm.weight", EMBED)
    if spec["name"] == "gpt-oss":
        for part, gguf, rows in (("q", "attn_q", heads * dim), ("k", "attn_k", kv * dim),
                                 ("v", "attn_v", kv * dim), ("o", "attn_output", EMBED)):
            state[p + f"self_attn.{part}_proj.bias"] = bias(b + gguf + ".bias", rows)
        state[p + "self_attn.sinks"] = tensor(b + "attn_sinks.weight", (heads,))
    if spec["name"] in ("olmoe", "qwen3moe"):
        whole = spec["name"] == "olmoe"
        state[p + "self_attn.q_norm.weight"] = norm(b + "attn_q_norm.weight", heads * dim if whole else dim)
        state[p + "self_attn.k_norm.weight"] = norm(b + "attn_k_norm.weight", kv * dim if whole else dim)


def feed_forward(state, spec, i):
    p, b, ff, experts = f"model.layers.{i}.", f"blk.{i}.", spec["ff"], spec.get("experts", 0)
    post = "post_attention_norm" if spec["name"] == "gpt-oss" else "ffn_norm"
    state[p + "post_attention_layernorm.weight"] = norm(b + post + ".weight", EMBED)
    if not experts:
        for part in ("gate", "up"):
            state[p + f"mlp.{part}_proj.weight"] = matrix(b + f"ffn_{part}.weight", ff, EMBED)
        state[p + "mlp.down_proj.weight"] = matrix(b + "ffn_down.weight", EMBED, ff)
        return
    router = tensor(b + "ffn_gate_inp.weight", (experts, EMBED), 0,
                    np.float32(3) * np.sqrt(np.float32(3) / np.float32(EMBED)))
    gate, up = (matrix(b + f"ffn_{part}_exps.weight", experts, ff, EMBED) for part in ("gate", "up"))
    down = matrix(b + "ffn_down_exps.weight", experts, EMBED, ff)
    if spec["name"] == "gpt-oss":
        gate_bias, up_bias = (bias(b + f"ffn_{part}_exps.bias", experts, ff) for part in ("gate", "up"))
        state[p + "mlp.router.weight"], state[p + "mlp.router.bias"] = router, bias(b + "ffn_gate_inp.bias", experts)
        state[p + "mlp.experts.gate_up_proj"] = torch.stack((gate, up), 2).reshape(experts, 2 * ff, EMBED).transpose(1, 2)
        state[p + "mlp.experts.gate_up_proj_bias"] = torch.stack((gate_bias, up_bias), 2).reshape(experts, 2 * ff)
        state[p + "mlp.experts.down_proj"] = down.transpose(1, 2)
        state[p + "mlp.experts.down_proj_bias"] = bias(b + "ffn_down_exps.bias", experts, EMBED)
    elif spec["name"] == "granitemoe":
        state[p + "block_sparse_moe.router.layer.weight"] = router
        state[p + "block_sparse_moe.input_linear.weight"] = torch.cat((gate, up), 1)
        state[p + "block_sparse_moe.output_linear.weight"] = down
        shared = [matrix(b + f"ffn_{part}_shexp.weight", spec["shared"], EMBED) for part in ("gate", "up")]
        state[p + "shared_mlp.input_linear.weight"] = torch.cat(shared)
        state[p + "shared_mlp.output_linear.weight"] = matrix(b + "ffn_down_shexp.weight", EMBED, spec["shared"])
    else:
        state[p + "mlp.gate.weight"] = router
        state[p + "mlp.experts.gate_up_proj"] = torch.cat((gate, up), 1)
        state[p + "mlp.experts.down_proj"] = down


MOE = dict(num_local_experts=8, num_experts_per_tok=3)
SPECS = [
    dict(name="llama", heads=4, kv_heads=2, dim=16, ff=96, interleaved=True,
         config=hf.LlamaConfig, model=hf.LlamaForCausalLM, extra={}),
    dict(name="mixtral", heads=4, kv_heads=2, dim=16, ff=48, experts=8, interleaved=True,
         config=hf.MixtralConfig, model=hf.MixtralForCausalLM, extra={**MOE, "sliding_window": None}),
    dict(name="olmoe", heads=4, kv_heads=4, dim=16, ff=48, experts=8, interleaved=False,
         config=hf.OlmoeConfig, model=hf.OlmoeForCausalLM,
         extra=dict(num_experts=8, num_experts_per_tok=3, norm_topk_prob=False)),
    dict(name="qwen3moe", heads=4, kv_heads=2, dim=24, ff=40, experts=8, interleaved=False,
         config=hf.Qwen3MoeConfig, model=hf.Qwen3MoeForCausalLM,
         extra=dict(num_experts=8, num_experts_per_tok=3, norm_topk_prob=True, head_dim=24,
                    moe_intermediate_size=40, decoder_sparse_step=1, mlp_only_layers=[])),
    dict(name="gpt-oss", heads=4, kv_heads=2, dim=32, ff=48, experts=8, interleaved=False,
         config=hf.GptOssConfig, model=hf.GptOssForCausalLM,
         extra={**MOE, "head_dim": 32, "sliding_window": 8, "max_position_embeddings": 256,
                "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0,
                                    "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
                                    "original_max_position_embeddings": 32}}),
    dict(name="granitemoe", heads=4, kv_heads=2, dim=16, ff=48, experts=8, shared=40, interleaved=True,
         tied=True, config=hf.GraniteMoeSharedConfig, model=hf.GraniteMoeSharedForCausalLM,
         extra={**MOE, "shared_intermediate_size": 40, "embedding_multiplier": 12.0,
                "residual_multiplier": 0.22, "attention_multiplier": 0.015625, "logits_scaling": 6.0,
                "tie_word_embeddings": True}),
]


def logits(spec):
    config = spec["config"](**{**dict(
        vocab_size=VOCAB, hidden_size=EMBED, num_hidden_layers=LAYERS, intermediate_size=spec["ff"],
        num_attention_heads=spec["heads"], num_key_value_heads=spec["kv_heads"], rms_norm_eps=1e-5,
        max_position_embeddings=4096, rope_theta=10000.0, tie_word_embeddings=False, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, attention_bias=spec["name"] == "gpt-oss"), **spec["extra"]})
    config._attn_implementation = "eager"
    model = spec["model"](config).eval().float()
    state = base_state(spec)
    for i in range(LAYERS):
        attention(state, spec, i)
        feed_forward(state, spec, i)
    model.load_state_dict(state, strict=True)
    tokens = torch.tensor([[(37 * i + 11) % VOCAB for i in range(TOKENS)]])
    with torch.no_grad():
        return model(tokens).logits[0].numpy()


for spec in SPECS:
    rows = logits(spec)
    with open(f"{sys.argv[1]}/logits_{spec['name']}.txt", "w") as out:
        for row in rows:
            out.write(" ".join(f"{v:.7g}" for v in row) + "\n")
    print(spec["name"], float(np.abs(rows).max()), rows.argmax(1)[-4:])
