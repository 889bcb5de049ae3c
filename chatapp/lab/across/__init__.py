"""Two replies to one prompt, each looked at through the other's model and settings: how likely it is there, and why they part."""
