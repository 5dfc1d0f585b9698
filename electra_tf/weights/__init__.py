"""Weights of any ELECTRA, under one set of names."""
