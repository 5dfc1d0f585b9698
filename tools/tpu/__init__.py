"""What a TPU needs and what a step costs on it."""
