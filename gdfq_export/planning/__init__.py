"""Where Q/DQ goes and with how many bits: the plan as data, and what makes it."""
