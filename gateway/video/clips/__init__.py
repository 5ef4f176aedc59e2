"""Complete video of the last seconds, and the clips that are cut from it."""
