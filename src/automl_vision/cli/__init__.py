"""The command line. Nothing is imported here."""
