"""WordPiece vocabularies: learning, reading and measuring them."""
