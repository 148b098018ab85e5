"""Labels from people: Label Studio projects in both directions, and what to label next. Nothing is imported here."""
