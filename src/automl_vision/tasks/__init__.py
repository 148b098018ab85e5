"""One file per task: targets, transforms, loss and decoding of outputs. Nothing is imported here."""
