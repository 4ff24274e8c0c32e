"""The network: sequence format, stack, depth decoder, generation, builds."""
