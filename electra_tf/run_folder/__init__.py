"""The folder of a pretraining run: checkpoints and its description."""
