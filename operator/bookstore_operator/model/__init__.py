"""The objects as pydantic models: the one source of CRDs, reference pages and validation."""
