"""Devices: tf.distribute strategies, replicas and TPUs."""
