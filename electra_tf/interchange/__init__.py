"""Weights between the original's checkpoints, this trainer and transformers."""
