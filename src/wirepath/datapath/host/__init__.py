"""Changes of the host that a policy needs, such as sysctls and tunnels; `down` restores them."""
