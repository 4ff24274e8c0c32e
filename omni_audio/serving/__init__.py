"""The OpenAI-compatible server: an engine over slots, strict request schemas and thin routes."""
