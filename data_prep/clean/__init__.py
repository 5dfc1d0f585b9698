"""The clean stage: raw text -> clean, deduplicated documents."""
