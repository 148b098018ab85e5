"""The algorithms: `create_model("name", task=...)`, `list_models("*")`, their hyperparameters and weights.

Nothing is imported here, so that names and hyperparameters are checked without loading torch.
"""
