"""Many trials: what to try, watching them, and the leaderboard. Nothing is imported here."""
