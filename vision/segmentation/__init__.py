"""Segmentation of X-rays: where the lungs lie, learnt from masks, measured, and written."""
