"""ELECTRA's pretraining: masking, generator, discriminator, step and loop."""
