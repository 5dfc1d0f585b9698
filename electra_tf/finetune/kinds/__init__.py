"""Kinds of task: targets, decoding and scores."""
