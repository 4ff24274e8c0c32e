"""Training tasks, checkpoints, and the stages of a run."""
