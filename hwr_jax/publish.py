"""Publishing: a trained model as a repository of a hub, with a card that says what it reads and how well."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hwr_jax.evaluation.run_files import group_of, read_json
from hwr_jax.export import export_folder
from hwr_jax.files import write_text
from hwr_jax.hub import describe_hub_error, import_hub, parse_address
from hwr_jax.models.parameter_files import SAFETENSORS
from hwr_jax.page_config import LINE_FINDER_FILE
from hwr_jax.zoo.model_records import CARD_FILE, ModelRecord, read_record

# What the hub calls it; others are "other", with the text beside.
_LICENCES = {"CC BY 4.0": "cc-by-4.0", "CC0": "cc0-1.0", "Apache": "apache-2.0", "MIT": "mit"}
_LANGUAGES = {"English": "en", "French": "fr", "German": "de", "Latin": "la", "Dutch": "nl", "Spanish": "es"}


def push(
    model_or_workdir: str | os.PathLike[str],
    address: str,
    *,
    public: bool = False,
    licence: str = "",
    checkpoint: str = "best",
) -> str:
    """Uploads a model as safetensors, JSON and a card, in one commit; the repository is made if it is not there.

    Args:
      model_or_workdir: a name, a folder or a run, see `hwr_jax.export.export_folder`.
      address: "hf://OWNER/NAME".
      public: whether a repository that is made can be seen by everybody; else by its owner alone.
      licence: a note on the data learnt from; "": what is known of them.
      checkpoint: of a run, "best" or "latest".

    Returns the commit's address. Raises InputError: no such model, a wrong address, or the hub refuses.
    """
    repository, revision = parse_address(address)
    hub = import_hub()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / repository.rpartition("/")[2]
        export_folder(model_or_workdir, folder, checkpoint=checkpoint, licence=licence, format=SAFETENSORS)
        if (folder / LINE_FINDER_FILE).exists():
            write_text(folder / "README.md", describe_finder_repository(folder, repository))
        else:
            write_text(folder / "README.md", describe_repository(read_record(folder), repository))
            (folder / CARD_FILE).unlink(missing_ok=True)
        try:
            api = hub.HfApi()
            api.create_repo(repository, private=not public, exist_ok=True)
            done = api.upload_folder(
                repo_id=repository, folder_path=folder, revision=revision, commit_message=f"Upload {folder.name}"
            )
        except Exception as error:
            raise describe_hub_error(error, address) from error
    return str(done.commit_url)


def describe_repository(record: ModelRecord, repository: str) -> str:
    """README.md of a repository: the hub's metadata, how to read with the model, and its card."""
    usage = (
        f'```\npip install "hwr-jax[hub]"\nhwr read --model=hf://{repository} IMAGE ...\n```\n\n'
        f'```python\nimport hwr_jax\n\nprint(hwr_jax.load("hf://{repository}").read("word.png")[0].text)\n```\n'
    )
    return _write_readme(describe_metadata(record), record.card, record.name, usage)


def describe_finder_repository(folder: Path, repository: str) -> str:
    """README.md of the repository of a line finder in a folder, likewise."""
    about = group_of(read_json(folder / LINE_FINDER_FILE), "about")
    usage = f'```\npip install "hwr-jax[hub]"\nhwr layout --model=hf://{repository} PAGE ...\n```\n'
    metadata: dict[str, Any] = {"library_name": "hwr_jax", "pipeline_tag": "image-segmentation"}
    metadata |= _licence(str(about.get("licence")))
    metadata["tags"] = ["handwriting-recognition", "htr", "layout-analysis", "text-line-detection", "jax"]
    return _write_readme(metadata, folder / CARD_FILE, folder.name, usage)


def _write_readme(metadata: Mapping[str, Any], card: Path, name: str, usage: str) -> str:
    text = card.read_text(encoding="utf-8") if card.exists() else f"# {name}\n"
    title, _, rest = text.partition("\n")
    head = yaml.safe_dump(dict(metadata), allow_unicode=True, sort_keys=False)
    return f"---\n{head}---\n\n{title}\n\n{usage}{rest}"


def describe_metadata(record: ModelRecord) -> dict[str, Any]:
    """What a hub reads at the head of a card: licence, language, task, and the evaluations that were recorded."""
    metadata: dict[str, Any] = {"library_name": "hwr_jax", "pipeline_tag": "image-to-text"}
    metadata |= _licence(record.licence or record.terms)
    if record.language in _LANGUAGES:
        metadata["language"] = _LANGUAGES[record.language]
    metadata["tags"] = ["handwriting-recognition", "htr", "ocr", "ctc", "jax", *filter(None, [record.reads])]
    metadata["metrics"] = ["cer", "wer"]
    if results := [_result(found) for found in record.evaluations.values() if found.get("cer") is not None]:
        metadata["model-index"] = [{"name": record.name, "results": results}]
    return metadata


def _licence(terms: str) -> dict[str, str]:
    known = next((name for words, name in _LICENCES.items() if words in terms), None)
    return {"license": known} if known else {"license": "other", "license_name": "see-the-card"}


def _result(found: Mapping[str, Any]) -> dict[str, Any]:
    data = str(found.get("data", ""))
    rates = {"cer": "CER, %", "wer": "WER, %"}
    return {
        "task": {"type": "image-to-text", "name": "Handwriting recognition"},
        "dataset": {"name": f"{data}, {found.get('decoder')}", "type": _slug(data), "split": str(found.get("split"))},
        "metrics": [
            {"type": rate, "name": name, "value": round(100 * found[rate], 2)}
            for rate, name in rates.items()
            if found.get(rate) is not None
        ],
    }


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text)
