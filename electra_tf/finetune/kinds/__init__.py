"""Kinds of tasks, one file each: labels, targets, predictions, scores, file forms."""
