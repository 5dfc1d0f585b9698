"""Tables, plots and baselines of fine-tuned models."""
