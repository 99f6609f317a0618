#!/bin/sh
# LLaMA-Factory as the trainer (https://llamafactory.readthedocs.io). In config/ftworker.toml:
#
#   [providers.local]
#   kind = "local"
#   trainer = "command"
#   [providers.local.command]
#   program = ["sh", "{config}"]
#   template = "config/trainers/llama-factory.sh"
#   pass_environment = ["PATH", "HOME", "LANG", "CUDA_VISIBLE_DEVICES", "HF_HOME"]
#
# A script and not a YAML file alone, because LLaMA-Factory wants two files: what the columns of the data are called, and
# how to train. `template` must be the chat template of your base by LLaMA-Factory's name for it.
set -eu
folder="${work}/command"

cat > "$folder/dataset_info.json" <<'INFO'
{
  "conversations": {
    "file_name": "${train}",
    "formatting": "sharegpt",
    "columns": {"messages": "messages"},
    "tags": {
      "role_tag": "role",
      "content_tag": "content",
      "user_tag": "user",
      "assistant_tag": "assistant",
      "system_tag": "system"
    }
  }
}
INFO

cat > "$folder/train.yaml" <<'TRAIN'
stage: sft
do_train: true
model_name_or_path: "${base}"
template: qwen
finetuning_type: lora
lora_target: all
lora_rank: ${rank}
lora_alpha: ${alpha}
lora_dropout: ${dropout}
dataset: conversations
dataset_dir: "${work}/command"
cutoff_len: ${max_length}
seed: ${seed}
num_train_epochs: ${epochs}
per_device_train_batch_size: 1
gradient_accumulation_steps: ${batch_size}
learning_rate: ${learning_rate}
lr_scheduler_type: cosine
warmup_ratio: 0.05
bf16: true
output_dir: "${output}"
save_strategy: steps
save_steps: 50
save_total_limit: 2
logging_steps: 1
report_to: none
TRAIN

# A restart goes on from the newest checkpoint.
newest=$(ls -d "${output}"/checkpoint-* 2>/dev/null | sort -V | tail -n 1 || true)
if [ -n "$newest" ]; then
  echo "resume_from_checkpoint: \"$newest\"" >> "$folder/train.yaml"
fi
exec llamafactory-cli train "$folder/train.yaml"
