"""The public face of training: `AutoMLVisionConfig`, `Experiment`, `Run`. Nothing is imported here."""
