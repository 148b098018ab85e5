"""What every HTTP server of ours shares: problem details, security headers, and the socket that it listens on."""
