"""Any folder of images and masks of equal names: card and reader."""
