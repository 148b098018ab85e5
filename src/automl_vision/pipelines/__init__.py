"""From a new version of the data to an endpoint that serves the better model; torch-free."""
