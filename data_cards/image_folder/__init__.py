"""Any folder of images: card and reader."""
