"""One file a task: targets, transforms, loss, decoding of outputs, metrics. Nothing is imported here."""
