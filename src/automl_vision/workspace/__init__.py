"""What must survive: runs with their trials, metrics, artifacts and models. Nothing is imported here."""
