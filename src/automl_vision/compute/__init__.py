"""Where work runs: submit, watch, cancel."""
