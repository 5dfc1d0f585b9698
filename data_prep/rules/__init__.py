"""Cleaning rules and the recipes made of them: text in, text out."""
