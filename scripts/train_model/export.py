"""Writes a trained model as a legacy llama2.c checkpoint and as a Hugging Face folder."""

import json
import struct
from pathlib import Path

import numpy as np

from model import NORM_EPSILON, ROPE_THETA


def export_legacy(model, path):
    """Header of seven int32, then float32 tensors grouped by kind over all layers, then RoPE tables."""
    shape = model.shape
    tensors = [model.embedding.weight]
    for kind in ("attention_norm", "wq", "wk", "wv", "wo", "feed_forward_norm", "w1", "w2", "w3"):
        tensors += [getattr(block, kind).weight for block in model.blocks]
    tensors += [model.final_norm.weight, model.rope_cos, model.rope_sin]
    with open(path, "wb") as file:
        # A positive vocabulary size says that the classifier shares the embedding.
        file.write(struct.pack("<7i", shape.dim, shape.hidden_dim, shape.layers, shape.heads, shape.kv_heads,
                               shape.vocab_size, shape.seq_len))
        for tensor in tensors:
            file.write(_array(tensor).astype("<f4").tobytes())


def export_hugging_face(model, tokenizer, folder):
    """config.json, model.safetensors (float16) and tokenizer.json in the layout of LlamaForCausalLM."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write_config(model.shape, folder / "config.json")
    _write_safetensors(hugging_face_tensors(model), folder / "model.safetensors")
    tokenizer.save_hugging_face(folder / "tokenizer.json")


def hugging_face_tensors(model):
    """Name to array. Query and key rows are reordered for the rotate-half form of RoPE."""
    shape = model.shape
    tensors = {"model.embed_tokens.weight": _array(model.embedding.weight),
               "model.norm.weight": _array(model.final_norm.weight)}
    for index, block in enumerate(model.blocks):
        prefix = f"model.layers.{index}."
        tensors[prefix + "input_layernorm.weight"] = _array(block.attention_norm.weight)
        tensors[prefix + "self_attn.q_proj.weight"] = rotate_half_rows(_array(block.wq.weight), shape.heads)
        tensors[prefix + "self_attn.k_proj.weight"] = rotate_half_rows(_array(block.wk.weight), shape.kv_heads)
        tensors[prefix + "self_attn.v_proj.weight"] = _array(block.wv.weight)
        tensors[prefix + "self_attn.o_proj.weight"] = _array(block.wo.weight)
        tensors[prefix + "post_attention_layernorm.weight"] = _array(block.feed_forward_norm.weight)
        tensors[prefix + "mlp.gate_proj.weight"] = _array(block.w1.weight)
        tensors[prefix + "mlp.down_proj.weight"] = _array(block.w2.weight)
        tensors[prefix + "mlp.up_proj.weight"] = _array(block.w3.weight)
    return tensors


def rotate_half_rows(weight, heads):
    """Interleaved pairs (0,1),(2,3).. of each head become pairs (i, i + head_dim / 2)."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def read_safetensors(path):
    """Name to array of a safetensors file with float16 or float32 tensors."""
    data = Path(path).read_bytes()
    header_size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + header_size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + header_size + offset for offset in entry["data_offsets"])
        kind = {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]
        tensors[name] = np.frombuffer(data[begin:end], kind).reshape(entry["shape"])
    return tensors


def _write_safetensors(tensors, path):
    header, payload = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in sorted(tensors.items()):
        content = tensor.astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape),
                        "data_offsets": [len(payload), len(payload) + len(content)]}
        payload += content
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(encoded)) + encoded + payload)


def _write_config(shape, path):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": shape.dim, "intermediate_size": shape.hidden_dim, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_dim,
        "vocab_size": shape.vocab_size, "max_position_embeddings": shape.seq_len, "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_THETA, "rope_scaling": None, "attention_bias": False, "mlp_bias": False,
        "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float16"}
    Path(path).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _array(tensor):
    return tensor.detach().numpy()
