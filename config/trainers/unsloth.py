"""Unsloth as the trainer (https://docs.unsloth.ai). In config/ftworker.toml:

    [providers.local]
    kind = "local"
    trainer = "command"
    [providers.local.command]
    program = ["/opt/unsloth/bin/python", "{config}"]
    template = "config/trainers/unsloth.py"

Unsloth lives in an environment of its own, with trl and datasets. QUESTION and ANSWER are how the base's chat template
begins a user's turn and an answer; these are ChatML's (Qwen, SmolLM).
"""

import json
from pathlib import Path

from unsloth import FastLanguageModel  # before trl, which it changes
from unsloth.chat_templates import train_on_responses_only

from datasets import load_dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

QUESTION = "<|im_start|>user\n"
ANSWER = "<|im_start|>assistant\n"

OUTPUT = Path("${output}")
VALIDATION = "${validation}"


class Progress(TrainerCallback):
    """Tells ftworker how far it is: one line a step."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        line = {"step": state.global_step, "total": state.max_steps, "epoch": state.epoch}
        for ours, theirs in (
            ("loss", "loss"),
            ("validation_loss", "eval_loss"),
            ("learning_rate", "learning_rate"),
        ):
            if logs and theirs in logs:
                line[ours] = logs[theirs]
        with (OUTPUT / "progress.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def rows(path, tokenizer):
    def render(row):
        return {"text": tokenizer.apply_chat_template(row["messages"], tokenize=False)}

    return load_dataset("json", data_files=path, split="train").map(render)


model, tokenizer = FastLanguageModel.from_pretrained("${base}", max_seq_length=${max_length}, load_in_4bit=True)
model = FastLanguageModel.get_peft_model(
    model,
    r=${rank},
    lora_alpha=${alpha},
    lora_dropout=${dropout},
    use_gradient_checkpointing="unsloth",
    random_state=${seed},
)
trainer = SFTTrainer(
    model=model,
    processing_class=tokenizer,
    train_dataset=rows("${train}", tokenizer),
    eval_dataset=rows(VALIDATION, tokenizer) if VALIDATION else None,
    args=SFTConfig(
        output_dir=str(OUTPUT),
        dataset_text_field="text",
        max_length=${max_length},
        num_train_epochs=${epochs},
        per_device_train_batch_size=1,
        gradient_accumulation_steps=${batch_size},
        learning_rate=${learning_rate},
        lr_scheduler_type="cosine",
        warmup_ratio=0.05,
        seed=${seed},
        logging_steps=1,
        save_steps=50,
        save_total_limit=2,
        eval_strategy="epoch" if VALIDATION else "no",
        report_to="none",
    ),
    callbacks=[Progress()],
)
trainer = train_on_responses_only(trainer, instruction_part=QUESTION, response_part=ANSWER)

base_loss = trainer.evaluate()["eval_loss"] if VALIDATION else None
# A restart goes on from the newest checkpoint.
trainer.train(resume_from_checkpoint=any(OUTPUT.glob("checkpoint-*")))
model.save_pretrained(OUTPUT)
if VALIDATION:
    losses = {"base_validation_loss": base_loss, "validation_loss": trainer.evaluate()["eval_loss"]}
    (OUTPUT / "metrics.json").write_text(json.dumps(losses))
