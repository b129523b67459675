"""The paper Injective venue."""
