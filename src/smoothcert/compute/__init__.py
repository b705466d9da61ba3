"""What needs torch and no model: devices, named random streams."""
