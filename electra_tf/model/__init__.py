"""The network: embeddings, attention and the encoder."""
