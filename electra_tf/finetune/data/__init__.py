"""Labelled tasks: their files, rows and splits."""
