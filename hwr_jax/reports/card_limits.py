"""What a model's numbers do not say, as sentences that follow from what is recorded."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwr_jax.evaluation.run_files import group_of
from hwr_jax.reports.markdown import code

BY_WRITER_RULE = "writer-"


def list_limits(
    config: Mapping[str, Any], characters: str, frames: int, evaluations: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Sentences for the model's card.

    Args:
      config: of the model's experiment, plain values.
      characters: of its alphabet.
      frames: of its output for the widest image.
      evaluations: JSON of those that the card tells of, the first in full.
    """
    evaluation = evaluations[0]
    own = group_of(config, "data").get("name")
    yield _characters(characters, evaluation)
    if evaluation["data"] == own and (unseen := _unseen(characters, evaluation)):
        yield f"{len(unseen)} characters of its alphabet occur nowhere in the data: {code(unseen)}."
    yield from _frame(config, frames)
    yield _writers(evaluation, own)
    if any({"language_model", "lexicon"} & group_of(found, "decoder_settings").keys() for found in evaluations):
        yield (
            "Results with a language model or a lexicon are of files that are named above and are no part of the "
            "model; of which texts they were made is not recorded."
        )
    yield f"What it reads of data other than {own or 'its own'} is told by the results above, or not recorded."
    seed = config.get("seed", "not recorded")
    yield f"One training, with seed {seed}: how much another would differ is not recorded."


def _characters(characters: str, evaluation: Mapping[str, Any]) -> str:
    excluded = group_of(evaluation, "loss_excluded")
    counted = "; ".join(f"{reason}: {count:,}" for reason, count in excluded.items()) or "none"
    return f"It writes {len(characters)} characters and no others. Labels measured that it cannot give: {counted}."


def _unseen(characters: str, evaluation: Mapping[str, Any]) -> str:
    """Characters of the alphabet that no label of the prepared data has."""
    seen = group_of(evaluation, "prepared").get("characters")
    return "" if not isinstance(seen, str) else "".join(c for c in characters if c not in seen)


def _frame(config: Mapping[str, Any], frames: int) -> Iterator[str]:
    model, data = group_of(config, "model"), group_of(config, "data")
    if not {"width_px", "height_px"} <= model.keys():
        return
    width_px, height_px = model["width_px"], model["height_px"]
    if data.get("preprocessing") == "line":
        most_px = round(width_px / data.get("horizontal_scale", 1))
        yield f"It sees an image {height_px} px high; what is then wider than {most_px} px is seen smaller."
    else:
        yield f"It sees an image at {width_px} x {height_px} px, whatever its size: long texts are seen small."
    yield f"It gives at most {frames} characters an image, a frame each, less those that repeat the one before."


def _writers(evaluation: Mapping[str, Any], own: Any) -> str:
    split, rule = evaluation["split"], str(evaluation.get("split_rule") or "not recorded")
    if evaluation["data"] != own:
        return f"The numbers are of {evaluation['data']}, on which it was not trained."
    if split == "test" and rule.startswith(BY_WRITER_RULE):
        return (
            "No writer of these numbers was trained on; what it reads of writers it has learnt from is another matter."
        )
    if split == "validation" and rule.startswith(BY_WRITER_RULE):
        return "No writer of these numbers was trained on; but checkpoints are chosen by this split."
    return f"The split {split} by the rule {rule} may hold writers that were trained on."
