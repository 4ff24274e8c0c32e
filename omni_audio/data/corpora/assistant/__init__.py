"""A larger domain of requests: tool calls in many areas, talk of several turns, instructions that code can check."""
