"""Reports as one self-contained HTML page: of a run, of an evaluation, of a comparison."""
