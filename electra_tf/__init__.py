"""TFRecords -> checkpoints: ELECTRA and its training."""
