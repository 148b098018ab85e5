"""The web studio: a REST API under `/api/v1`, live events, and the built web app in `static/`."""
