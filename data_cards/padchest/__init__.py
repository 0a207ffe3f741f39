"""PadChest: card, reader, and its published labels."""
