"""What the audit room needs of images, W&B and the command line."""
