"""A LoRA for the tiny GGUF as PEFT writes one, made with numpy: what a program of one's own might leave.

As a program, `python tiny_lora.py FOLDER` writes it there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WIDTH, RANK = 32, 4


def write_tiny_lora(folder: Path, *, seed: int = 3) -> Path:
    """adapter_config.json and adapter_model.safetensors; the same for the same seed."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(seed)
    tensors = {}
    for module in ("q_proj", "k_proj", "v_proj"):
        name = f"base_model.model.model.layers.0.self_attn.{module}"
        tensors[f"{name}.lora_A.weight"] = numbers.normal(0, 0.3, (RANK, WIDTH)).astype(np.float32)
        tensors[f"{name}.lora_B.weight"] = numbers.normal(0, 0.3, (WIDTH, RANK)).astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny",
        "r": RANK,
        "lora_alpha": 8,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["q_proj", "k_proj", "v_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


if __name__ == "__main__":
    write_tiny_lora(Path(sys.argv[1]))
