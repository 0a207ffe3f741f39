"""The small text encoder: what is padding never counts, and phrases have an order."""

from __future__ import annotations

import torch

from joint.text_encoder import ConvTextSettings, build_text_encoder, build_tokenizer

SETTINGS = ConvTextSettings(kind="conv", width=8, vocabulary=80, max_tokens=16)
REPORTS = ["no edema is seen", "edema is seen", "no edema", "is no edema seen"] * 3


def encode(ids, mask):
    torch.manual_seed(0)
    encoder = build_text_encoder(SETTINGS, build_tokenizer(SETTINGS, REPORTS))
    assert encoder.width == 16
    return encoder, encoder(torch.tensor(ids), torch.tensor(mask))


def test_padding_changes_no_embedding():
    _, alone = encode([[5, 6, 7]], [[1, 1, 1]])
    _, padded = encode([[5, 6, 7, 0, 0], [8, 9, 5, 6, 7]], [[1, 1, 1, 0, 0], [1] * 5])
    torch.testing.assert_close(alone[0], padded[0])


def test_a_report_without_words_has_a_finite_embedding_and_gradient():
    encoder, embedded = encode([[0, 0, 0]], [[1, 0, 0]])
    embedded.sum().backward()
    gradients = [parameter.grad for parameter in encoder.parameters()]
    assert embedded.isfinite().all()
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_the_order_of_words_counts():
    _, embedded = encode([[5, 6, 7], [7, 6, 5]], [[1, 1, 1], [1, 1, 1]])
    assert not torch.allclose(embedded[0], embedded[1])
