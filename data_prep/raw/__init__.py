"""Raw files in: one module per format, each with `cut` and `parse`; see reader.py."""
