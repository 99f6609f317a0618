"""Fine-tuning runs: `states` (pure) says which moves exist, `steps` performs them, one step a call."""
