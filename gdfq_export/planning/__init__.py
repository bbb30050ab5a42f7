"""Where Q/DQ goes and with how many bits: the plan as data, its constraints, placement, mixed precision."""
