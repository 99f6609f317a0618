"""Training on this machine: an order, the stages that carry it out, and the files between them.

`order` says what is asked, `events` what a stage tells while it works, `results` what it leaves; these are pure. Every
stage is a program of its own (`python -m ftworker.training.train WORK`), so that its memory goes with it and a crash
takes nobody along. The heavy packages (torch, transformers, peft, gguf) are imported by the stages alone. Never touches
the database: `ftworker.trainings` keeps the lease.
"""
