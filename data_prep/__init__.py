"""Raw text -> TFRecords. Knows nothing of the model."""

import os

# TensorFlow's start-up chatter hides this project's own log lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
