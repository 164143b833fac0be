"""What the training steps share: options, trainer, training data, teacher targets."""
