"""Fine-tuning runs: `states` (pure) says which moves exist, `pipeline` performs them, one step a call."""
