"""The controller of a run: trials, jobs, budget, leaderboard."""
