"""Encodes movie titles by BERT, for the baseline ``ffnn-bert``; used in training only.

The weights, ``bert-base-uncased``, come with no package: they are read from a folder, or else fetched from the
model hub.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.errors import TitleModelError
from model.features.catalogue import Catalogue
from model.features.titles import TITLES_AT_ONCE, OnTitles, computed_once
from model.files import sha256
from model.types import FloatArray

HUB_NAME = "google-bert/bert-base-uncased"
WEIGHTS = "model.safetensors"


def bert_title_vectors(
    catalogue: Catalogue, model: str, cache: Path, on_titles: OnTitles = lambda *_: None
) -> FloatArray:
    """A vector for each movie index, shape (movies, 768), float32; zeros for the unknown movie.

    Computed once for a title and the weights, and kept in the folder ``cache``. ``model`` is the folder with
    the weights or their name on the model hub; `TitleModelError` where neither has them.
    """
    folder = weights_folder(model)
    name = f"bert-{sha256(folder / WEIGHTS)[:16]}"
    return computed_once(catalogue.titles, cache, name, lambda titles: encode(titles, folder, on_titles))


@torch.inference_mode()
def encode(titles: tuple[str, ...], folder: Path, on_titles: OnTitles = lambda *_: None) -> FloatArray:
    """Means over the tokens of each title, shape (titles, BERT's width)."""
    tokenizer, bert = _load(folder)
    vectors = np.empty((len(titles), bert.config.hidden_size), dtype=np.float32)
    for start in range(0, len(titles), TITLES_AT_ONCE):
        part = titles[start : start + TITLES_AT_ONCE]
        tokens = tokenizer(list(part), padding=True, truncation=True, return_tensors="pt")
        is_token = tokens["attention_mask"].unsqueeze(-1)  # not padding
        states = bert(**tokens).last_hidden_state * is_token  # (titles, tokens, width)
        vectors[start : start + len(part)] = (states.sum(1) / is_token.sum(1)).numpy()
        on_titles(start + len(part), len(titles))
    return vectors


def weights_folder(model: str) -> Path:
    """The folder with BERT's weights, its own or the model hub's; `TitleModelError` where there is none."""
    if (Path(model) / WEIGHTS).exists():
        return Path(model)
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - takes long to import
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(snapshot_download(model, allow_patterns=["*.json", "vocab.txt", WEIGHTS]))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise TitleModelError(
            f"BERT's weights are missing: {model} is neither a folder with {WEIGHTS}, config.json and vocab.txt "
            f"nor a model on the model hub. Fetch {HUB_NAME} where there is a network and set SEQREC_BERT to its "
            f"folder, or make the model hub reachable, for example by HF_ENDPOINT for a mirror; with HF_HUB_OFFLINE "
            f"set, only the cache below HF_HOME is read ({error})."
        ) from error


def _load(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and network."""
    from transformers import BertModel, BertTokenizer  # noqa: PLC0415 - takes seconds to import
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

    disable_progress_bar()  # type: ignore[no-untyped-call]  # reading the weights takes no time
    try:
        # from_pretrained switches dropout off
        return BertTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise TitleModelError(f"{folder} does not hold a BERT model and its vocabulary ({error}).") from error
