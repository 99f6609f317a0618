"""GGUF files: what they say, a LoRA as one, and a LoRA added to one, without a checkout of llama.cpp.

`header` takes a file apart and trusts nothing in it; `reading` says what a person wants to know of a model; both need
no package beside Python and never read a tensor. `architectures` names the tensors, `lora` reads what PEFT wrote,
`adapting` and `merging` make the two files that are served, one tensor at a time. The stage is
`ftworker.training.convert`.
"""
