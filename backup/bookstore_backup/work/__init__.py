"""What the commands do: each module one of them."""
