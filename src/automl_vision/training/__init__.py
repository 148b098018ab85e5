"""One trial: the loop, optimizers, schedules, precision, checkpoint and resume. Nothing is imported here."""
