"""Weights out: folders of transformers, TF1 checkpoints, SavedModels."""
