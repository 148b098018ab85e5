"""A trial becomes a model: export, parity gate, card. Nothing is imported here."""
