"""What can make a test number mean nothing, looked for in the images of any trained run."""
