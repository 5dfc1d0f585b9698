"""From checkpoints to what users load, and the demo."""
