"""The algorithms: `create_model("name", task=...)`, `list_models("*")`, their hyperparameters and weights.

Nothing is imported here, so that names and hyperparameters are checked without loading torch.
"""

from automl_vision.core.telemetry import switch_off_telemetry

switch_off_telemetry()  # modules of this room import timm, which imports the client of the Hugging Face Hub
