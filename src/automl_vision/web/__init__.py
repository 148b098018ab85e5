"""What every HTTP server of ours shares, such as problem details and its socket; and the connection to Label Studio."""
