"""Reports become the same numbers every time, padded to multiples of eight."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from joint.text_encoder import (
    PretrainedTextSettings,
    ScratchTextSettings,
    TextEncoderError,
    build_text_encoder,
    build_tokenizer,
)
from joint.tokens import encode_reports, train_tokenizer

REPORTS = ["Mild interstitial edema.", "No edema. Heart size normal.", "Heart is enlarged, edema."]


def test_padding_goes_to_the_batchs_longest_report_in_eights():
    tokenizer = train_tokenizer(REPORTS * 3, vocabulary=120)
    table = encode_reports(tokenizer, REPORTS, max_tokens=64)
    lengths = [len(tokenizer.encode(report).ids) for report in REPORTS]
    ids, mask = table.pad([1, 0])
    assert ids.shape[1] % 8 == 0
    assert ids.shape[1] - max(lengths[:2]) < 8
    assert mask.sum(dim=1).tolist() == [lengths[1], lengths[0]]
    assert tokenizer.decode(ids[0].tolist()) == "no edema. heart size normal."


def test_no_report_is_one_padding_token_that_is_read():
    table = encode_reports(train_tokenizer(REPORTS, vocabulary=80), REPORTS, max_tokens=64)
    ids, mask = table.pad([-1])
    assert (ids.shape, int(ids.sum()), int(mask.sum())) == ((1, 8), 0, 1)


def test_long_reports_are_cut():
    table = encode_reports(train_tokenizer(REPORTS, vocabulary=80), ["edema " * 99], max_tokens=16)
    assert table.pad([0])[0].shape == (1, 16)


def test_a_vocabulary_is_the_same_in_another_process():
    code = (
        "from joint.tokens import train_tokenizer\n"
        f"print(train_tokenizer({REPORTS * 4!r}, vocabulary=120).to_str())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == train_tokenizer(REPORTS * 4, vocabulary=120).to_str()


def test_padding_does_not_change_an_embedding():
    settings = ScratchTextSettings(width=16, layers=1, heads=2, vocabulary=80, max_tokens=32)
    tokenizer = build_tokenizer(settings, REPORTS)
    table = encode_reports(tokenizer, [*REPORTS, "edema " * 20], max_tokens=32)
    encoder = build_text_encoder(settings, tokenizer).eval()
    alone, beside = encoder(*table.pad([0])), encoder(*table.pad([0, 3]))
    assert torch.allclose(alone[0], beside[0], atol=1e-6)


@pytest.mark.parametrize("max_tokens", [9, 16])
def test_a_report_of_the_longest_length_is_read_whole(max_tokens):
    settings = ScratchTextSettings(
        width=16, layers=1, heads=2, vocabulary=80, max_tokens=max_tokens
    )
    tokenizer = build_tokenizer(settings, REPORTS)
    tokens = encode_reports(tokenizer, ["edema " * 20], max_tokens=max_tokens).pad([0])
    assert int(tokens[1].sum()) == max_tokens
    assert build_text_encoder(settings, tokenizer)(*tokens).shape == (1, 16)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="width 16: expected a multiple of heads 5"):
        ScratchTextSettings(width=16, heads=5)


def test_a_pretrained_folder_is_read_and_a_missing_name_is_one_clear_message(tmp_path):
    from transformers import PreTrainedTokenizerFast

    scratch = ScratchTextSettings(width=16, layers=1, heads=2, vocabulary=80, max_tokens=32)
    tokenizer = build_tokenizer(scratch, REPORTS)
    encoder = build_text_encoder(scratch, tokenizer)
    encoder.network.save_pretrained(tmp_path / "model")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]")
    fast.save_pretrained(tmp_path / "model")
    settings = PretrainedTextSettings(
        kind="pretrained", name=str(tmp_path / "model"), max_tokens=32
    )
    again = build_tokenizer(settings, [])
    assert again.encode(REPORTS[0]).ids == tokenizer.encode(REPORTS[0]).ids
    loaded = build_text_encoder(settings, again).eval()
    tokens = encode_reports(again, REPORTS, max_tokens=32).pad([0, 1])
    assert torch.allclose(loaded(*tokens), encoder.eval()(*tokens), atol=1e-6)
    long = settings.model_copy(update={"max_tokens": 33})
    with pytest.raises(TextEncoderError, match=r"text\.max_tokens: 33, and .* reads at most 32"):
        build_text_encoder(long, again)
    missing = PretrainedTextSettings(kind="pretrained", name=str(tmp_path / "nothing"))
    with pytest.raises(TextEncoderError, match="needs a network, or the path of a folder"):
        build_tokenizer(missing, REPORTS)
