"""Kermany's chest X-rays of children: card and reader."""
