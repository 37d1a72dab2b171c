"""The kinds as pydantic models: the one source of the CRDs. Pure."""
