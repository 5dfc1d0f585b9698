"""How a stage of any kind runs: manifests, resuming, and what executes its work."""
