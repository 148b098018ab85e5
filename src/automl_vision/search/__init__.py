"""Search spaces, samplers, policies and AutoMode's plan: pure functions and values."""
