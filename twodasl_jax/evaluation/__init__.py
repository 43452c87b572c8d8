"""How far predictions are from annotations."""
