"""What the noises are compared by, without any model: at matched energy, and on a toy."""
