"""Trimmed tokenizers of every kind, and the embeddings that go with them."""

import json
import random
import string

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from packlight.errors import ModelError, UnsupportedError
from packlight.models.hf_model import open_classifier
from packlight.steps.inference import logits_of
from packlight.steps.trim_vocabulary.embedding import cut_embedding, fixed_ids
from packlight.steps.trim_vocabulary.tokenizer import open_tokenizer, segment, trim_tokenizer, write_tokenizer

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
KINDS = ("wordpiece", "bytes", "letters", "unigram")
FEW = ["play the song seven", "play seven songs", "wake me at nine"]
ODD = ["xylophone quizzing", "Zürich", "naïve café 42!", "日本 ok", "🙂🙂 hi", "", "   ", "a" * 150, "#hash ##tag"]


def corpus():
    """Some hundred sentences of invented words that share stems and endings."""
    pick = random.Random(3)
    stems = ["".join(pick.choices(string.ascii_lowercase, k=pick.randint(2, 5))) for _ in range(80)]
    words = [stem + ending for stem in stems for ending in ("", "s", "ing", "ed", "er")]
    known = ["play", "the", "song", "seven", "songs", "wake", "me", "at", "nine"]
    return [" ".join([*pick.choices(words, k=5), *pick.choices(known, k=4)]) for _ in range(400)]


def trained(kind):
    """A tokenizer of one kind, trained on the corpus."""
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=SPECIAL, show_progress=False)
    elif kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=800, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        )
    elif kind == "letters":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer = trainers.BpeTrainer(
            vocab_size=600, special_tokens=SPECIAL, end_of_word_suffix="</w>", show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=500, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        )
    tokenizer.train_from_iterator(corpus(), trainer)
    around = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=around)
    # One that is no piece of the model, after all that are.
    tokenizer.add_tokens(["[city]"])
    return tokenizer


def save(tokenizer, file):
    file.write_text(tokenizer.to_str())
    return file


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Kind -> the file of a tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizers")
    made = {kind: save(trained(kind), folder / f"{kind}.json") for kind in KINDS}
    return made.__getitem__


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def file(whole, kind):
    return whole(kind)


@pytest.fixture
def tokenizer(file):
    return open_tokenizer(file)


def rows(tokenizer, texts):
    return segment(tokenizer, texts).rows


def spaceless(text):
    return "".join(text.split())


def test_texts_in_use_are_cut_as_before_by_far_fewer_pieces(file, tokenizer):
    trimmed = trim_tokenizer(file, FEW)
    assert rows(trimmed.tokenizer, FEW) == rows(tokenizer, FEW)
    assert len(trimmed.old_ids) < 0.8 * tokenizer.get_vocab_size()


def test_ids_lead_to_the_rows_of_the_same_pieces_in_the_same_order(file, tokenizer):
    trimmed = trim_tokenizer(file, FEW)
    old, new = tokenizer.get_vocab(), trimmed.tokenizer.get_vocab()
    assert {piece: trimmed.old_ids[number] for piece, number in new.items()} == {piece: old[piece] for piece in new}
    assert list(trimmed.old_ids) == sorted(trimmed.old_ids)
    assert sorted(new.values()) == list(range(len(trimmed.old_ids)))


def test_special_and_added_tokens_stay_with_their_new_numbers(file, tokenizer):
    trimmed = trim_tokenizer(file, FEW)
    encoding = trimmed.tokenizer.encode("play <mask> in [city]")
    assert encoding.tokens[0] == "<s>"
    assert encoding.tokens[-1] == "</s>"
    assert "<mask>" in encoding.tokens
    assert "[city]" in encoding.tokens
    assert [trimmed.old_ids[number] for number in encoding.ids][:1] == [tokenizer.token_to_id("<s>")]
    for token in trimmed.document["added_tokens"]:
        assert trimmed.tokenizer.token_to_id(token["content"]) == token["id"]


def test_what_was_known_stays_known(whole):
    @settings(max_examples=150, deadline=None)
    @given(text=st.one_of(st.text(alphabet=string.ascii_lowercase + " ", max_size=40), st.text(max_size=20)))
    def check(text):
        for kind, trimmed in cut.items():
            old, new = segment(before[kind], [text]), segment(trimmed.tokenizer, [text])
            assert new.counts[new.unknown] <= old.counts[old.unknown] or kind == "wordpiece"
            assert bool(new.counts[new.unknown]) == bool(old.counts[old.unknown])

    before = {kind: open_tokenizer(whole(kind)) for kind in KINDS}
    cut = {kind: trim_tokenizer(whole(kind), FEW) for kind in KINDS}
    check()


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_have_as_many_unknown_pieces_as_before(file, tokenizer, text):
    for pieces in (None, 400):
        trimmed = trim_tokenizer(file, FEW, pieces=pieces)
        assert segment(trimmed.tokenizer, [text]).unknown_rate <= segment(tokenizer, [text]).unknown_rate


def test_more_pieces_are_the_tokenizers_most_frequent_and_cut_unseen_words_into_fewer(file, tokenizer):
    unseen = corpus()[:50]
    few, many = trim_tokenizer(file, FEW), trim_tokenizer(file, FEW, pieces=480)
    assert len(few.old_ids) < len(many.old_ids) <= 480
    assert set(few.old_ids) <= set(many.old_ids)
    assert rows(many.tokenizer, FEW) == rows(tokenizer, FEW)
    lengths = [segment(each, unseen).mean_length for each in (few.tokenizer, many.tokenizer, tokenizer)]
    assert lengths[0] > lengths[1] >= lengths[2]


def test_so_many_as_there_are_keep_everything_that_texts_can_yield(file, tokenizer):
    trimmed = trim_tokenizer(file, FEW, pieces=10_000)
    assert rows(trimmed.tokenizer, corpus() + ODD) == rows(tokenizer, corpus() + ODD)


def test_fewer_than_in_use_keep_the_most_used_and_break_the_others_up(file, tokenizer):
    texts = [*["play seven songs"] * 9, *corpus()]
    in_use = len(trim_tokenizer(file, texts).old_ids)
    least = len(trim_tokenizer(file, []).old_ids)
    trimmed = trim_tokenizer(file, texts, pieces=(least + in_use) // 2)
    assert len(trimmed.old_ids) <= (least + in_use) // 2 < in_use
    before, after = segment(tokenizer, texts), segment(trimmed.tokenizer, texts)
    assert rows(trimmed.tokenizer, ["play seven songs"]) == rows(tokenizer, ["play seven songs"])
    assert after.mean_length > before.mean_length
    assert after.unknown_rate == before.unknown_rate == 0
    assert 0 < after.changed(before) < 1


def test_fewer_than_must_stay_are_refused_with_the_least_number(file):
    least = len(trim_tokenizer(file, []).old_ids)
    with pytest.raises(UnsupportedError, match=f"give at least {least}"):
        trim_tokenizer(file, FEW, pieces=least - 1)
    assert len(trim_tokenizer(file, FEW, pieces=least).old_ids) == least


def test_transformers_opens_the_folder_and_agrees(tokenizer, tmp_path):
    old = tmp_path / "old"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", model_max_length=64
    ).save_pretrained(old)
    trimmed = trim_tokenizer(old / "tokenizer.json", FEW, pieces=400)
    write_tokenizer(trimmed, old, tmp_path / "new")
    opened = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert len(opened) == len(trimmed.old_ids)
    assert opened.pad_token_id == trimmed.tokenizer.token_to_id("<pad>")
    for text in [*FEW, *ODD, "play <mask> in [city]"]:
        assert opened(text)["input_ids"] == trimmed.tokenizer.encode(text).ids
    file = open_tokenizer(tmp_path / "new" / "tokenizer.json")
    assert file.get_vocab() == trimmed.tokenizer.get_vocab()


@pytest.mark.parametrize("name", ["RobertaTokenizer", "BertTokenizer"])
def test_the_classes_that_rebuild_a_tokenizer_from_its_vocabulary_agree_too(name, whole, tmp_path):
    tokenizer = open_tokenizer(whole({"RobertaTokenizer": "bytes", "BertTokenizer": "wordpiece"}[name]))
    old = tmp_path / "old"
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    special |= {"cls_token": "<s>", "sep_token": "</s>", "bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(old)
    settings_file = old / "tokenizer_config.json"
    settings_file.write_text(json.dumps(json.loads(settings_file.read_text()) | {"tokenizer_class": name}))
    write_tokenizer(trim_tokenizer(old / "tokenizer.json", FEW, pieces=400), old, tmp_path / "new")
    before, after = AutoTokenizer.from_pretrained(old), AutoTokenizer.from_pretrained(tmp_path / "new")
    assert type(after).__name__ == name
    assert after.tokenize(" ".join(FEW)) == before.tokenize(" ".join(FEW))
    assert after.convert_ids_to_tokens(after(FEW[0])["input_ids"]) == before.convert_ids_to_tokens(
        before(FEW[0])["input_ids"]
    )


def test_every_kind_of_post_processor_is_renumbered(whole, tmp_path):
    tokenizer = open_tokenizer(whole("bytes"))
    around = {token: (token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>")}
    for processor in (
        processors.RobertaProcessing(around["</s>"], around["<s>"]),
        processors.BertProcessing(around["</s>"], around["<s>"]),
        processors.Sequence([processors.ByteLevel(), processors.BertProcessing(around["</s>"], around["<s>"])]),
    ):
        tokenizer.post_processor = processor
        trimmed = trim_tokenizer(save(tokenizer, tmp_path / "tokenizer.json"), FEW)
        ids = trimmed.tokenizer.encode(FEW[0]).ids
        assert [trimmed.old_ids[number] for number in ids] == tokenizer.encode(FEW[0]).ids


def test_a_file_that_pads_and_cuts_is_trimmed_to_one_that_does_not(tmp_path):
    tokenizer = Tokenizer(models.WordPiece({"a": 0, "##a": 1, "aa": 2, "aaa": 3, "<unk>": 4}, unk_token="<unk>"))
    tokenizer.enable_padding(pad_id=4, pad_token="<unk>", length=9)
    tokenizer.enable_truncation(2)
    trimmed = trim_tokenizer(save(tokenizer, tmp_path / "tokenizer.json"), ["aa"])
    assert trimmed.document["padding"] is trimmed.document["truncation"] is None
    assert trimmed.tokenizer.encode("aa").tokens == ["aa"]


def test_a_piece_with_a_character_that_has_none_of_its_own_stays(tmp_path):
    vocabulary = {"<unk>": 0, "a": 1, "##a": 2, "aab": 3, "aaa": 4, "##aa": 5}
    file = save(Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>")), tmp_path / "tokenizer.json")
    trimmed = trim_tokenizer(file, ["a"])
    # `<unk>` is made of letters without pieces, too.
    assert set(trimmed.tokenizer.get_vocab()) == {"<unk>", "a", "##a", "aab"}
    assert trimmed.tokenizer.encode("aab").tokens == ["aab"]


def altered(file, target, change):
    """A copy of a tokenizer without special tokens, its vocabulary changed."""
    document = json.loads(file.read_text())
    document |= {"added_tokens": [], "post_processor": None}
    change(document["model"])
    target.write_text(json.dumps(document))
    return target


def test_pieces_that_no_text_can_yield_do_not_fill(whole, tmp_path):
    odd = ["[unused1]", "[unused2]", "Paris"]

    def put_first(model):
        model["vocab"] = {piece: number for number, piece in enumerate([*odd, *model["vocab"]])}

    file = altered(whole("wordpiece"), tmp_path / "tokenizer.json", put_first)
    trimmed = trim_tokenizer(file, FEW, pieces=400)
    assert len(trimmed.old_ids) == 400
    assert not set(odd) & trimmed.tokenizer.get_vocab().keys()


def test_an_unknown_character_costs_a_unigram_model_as_much_as_before(whole):
    texts = ["play日the", "日日play the", "seven日"]
    trimmed = trim_tokenizer(whole("unigram"), FEW)
    documents = json.loads(whole("unigram").read_text()), trimmed.document
    lowest, kept = (min(score for _, score in document["model"]["vocab"]) for document in documents)
    assert lowest == kept
    before = segment(open_tokenizer(whole("unigram")), texts)
    assert segment(trimmed.tokenizer, texts).unknown_rate > 0
    assert segment(trimmed.tokenizer, texts).counts["<unk>"] == before.counts["<unk>"] == 3


def test_bytes_that_spell_unknown_characters_stay(tmp_path):
    pieces = [("<unk>", 0.0), ("▁", -2.0), ("a", -3.0), ("▁a", -2.5), ("▁aa", -4.0), ("aa", -5.0)]
    pieces += [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trimmed = trim_tokenizer(save(tokenizer, tmp_path / "tokenizer.json"), ["a"])
    assert not {"aa", "▁aa"} & trimmed.tokenizer.get_vocab().keys()
    assert rows(trimmed.tokenizer, ["日a"]) == rows(tokenizer, ["日a"])


def test_whole_words_are_looked_up_before_merges_where_the_model_does(whole, tmp_path):
    def look_up(model):
        model["ignore_merges"] = True
        model["vocab"]["zzplay"] = len(model["vocab"])

    file = altered(whole("bytes"), tmp_path / "tokenizer.json", look_up)
    assert rows(open_tokenizer(file), ["zzplay"]) == (("zzplay",),)
    assert rows(trim_tokenizer(file, ["zzplay"]).tokenizer, ["zzplay"]) == (("zzplay",),)
    assert len(rows(trim_tokenizer(file, FEW).tokenizer, ["zzplay"])[0]) > 1


def test_words_as_wholes_are_refused(tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "play": 1}, unk_token="<unk>"))
    file = save(tokenizer, tmp_path / "tokenizer.json")
    with pytest.raises(ModelError, match="WordLevel; only WordPiece, BPE and Unigram"):
        trim_tokenizer(file, FEW)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="not a fast tokenizer"):
        open_tokenizer(tmp_path / "tokenizer.json")


@pytest.fixture(params=["bert", "roberta", "distilbert", "electra", "mpnet"])
def folder(classifier_folder, request):
    return classifier_folder(request.param)


def trim_folder(folder, target, texts, tiny, **other):
    """Trim a classifier's folder; the model, its encoder and the trimmed tokenizer."""
    model = open_classifier(folder)
    trimmed = trim_tokenizer(folder / "tokenizer.json", texts, fixed=fixed_ids(model), **other)
    write_tokenizer(trimmed, folder, target)
    cut_embedding(model, trimmed.old_ids)
    return model, tiny.text_encoder(target), trimmed


def test_the_trimmed_model_answers_the_texts_as_before(folder, tiny, tmp_path):
    texts = tiny.toy_texts()[0]
    expected = logits_of(open_classifier(folder), tiny.text_encoder(folder), texts)
    model, encoder, trimmed = trim_folder(folder, tmp_path, texts, tiny)
    torch.testing.assert_close(logits_of(model, encoder, texts), expected, rtol=0, atol=1e-5)
    assert model.config.vocab_size == model.get_input_embeddings().num_embeddings == len(trimmed.old_ids) < 200


def test_padding_keeps_its_meaning(folder, tiny, tmp_path):
    whole = open_classifier(folder)
    model, encoder, trimmed = trim_folder(folder, tmp_path, tiny.toy_texts()[0], tiny)
    assert trimmed.old_ids[model.config.pad_token_id] == whole.config.pad_token_id
    assert trimmed.old_ids[encoder.pad_id] == tiny.text_encoder(folder).pad_id
    table = model.get_input_embeddings()
    assert trimmed.old_ids[table.padding_idx] == whole.get_input_embeddings().padding_idx
    for name in ("bos_token_id", "eos_token_id"):
        if (old := getattr(whole.config, name, None)) is not None:
            assert trimmed.old_ids[getattr(model.config, name)] == old


def padded_last(folder, target):
    """The same classifier with its padding piece after all others."""
    document = json.loads((folder / "tokenizer.json").read_text())
    vocab = document["model"]["vocab"]
    vocab["[PAD]"], vocab["[unused0]"] = vocab["[unused0]"], vocab["[PAD]"]
    for token in document["added_tokens"]:
        token["id"] = vocab[token["content"]]
    target.mkdir()
    (target / "tokenizer.json").write_text(json.dumps(document))
    return vocab["[PAD]"], vocab["[unused0]"]


def test_padding_moves_where_positions_are_not_counted_from_it(classifier_folder, tiny, tmp_path):
    old = tmp_path / "old"
    pad, unused = padded_last(classifier_folder("bert"), old)
    model = open_classifier(classifier_folder("bert"))
    table = model.get_input_embeddings()
    with torch.no_grad():
        table.weight[[pad, unused]] = table.weight[[unused, pad]]
    table.padding_idx = model.config.pad_token_id = pad
    texts = tiny.toy_texts()[0][:5]
    expected = logits_of(model, tiny.text_encoder(old), texts)
    trimmed = trim_tokenizer(old / "tokenizer.json", texts, fixed=fixed_ids(model))
    write_tokenizer(trimmed, old, tmp_path / "new")
    cut_embedding(model, trimmed.old_ids)
    encoder = tiny.text_encoder(tmp_path / "new")
    assert encoder.pad_id == model.config.pad_token_id == model.get_input_embeddings().padding_idx != pad
    torch.testing.assert_close(logits_of(model, encoder, texts), expected, rtol=0, atol=1e-5)


def test_a_padding_id_that_positions_are_counted_from_must_not_move(classifier_folder):
    model = open_classifier(classifier_folder("roberta"))
    with pytest.raises(ModelError, match="counts positions from the padding id 1"):
        cut_embedding(model, [1, 2, 3])


def test_a_piece_without_an_embedding_is_refused(classifier_folder):
    model = open_classifier(classifier_folder("bert"))
    with pytest.raises(ModelError, match="give it the tokenizer that it was trained with"):
        cut_embedding(model, [0, 1, 9_999])
