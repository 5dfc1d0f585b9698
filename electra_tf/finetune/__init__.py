"""Pretrained networks -> models of labelled tasks, and their scores."""
