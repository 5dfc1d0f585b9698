"""Raw files in: slices of them, and the records those hold."""
