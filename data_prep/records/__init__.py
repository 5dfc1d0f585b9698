"""The records stage: clean text -> TFRecords of examples."""
