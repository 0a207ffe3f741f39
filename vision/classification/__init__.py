"""Plain classification of X-rays: the task, its metrics, and a classifier that can be saved."""
