"""Weights in: from any ELECTRA, under one set of names."""
