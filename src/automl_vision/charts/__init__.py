"""Plain values to Plotly figures without colours; `look.json` holds the one look."""
