"""An explanation in plain sentences."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prodclf_assets.classifier.explanation.leave_one_out import Explanation, Influence

_LEAST_EFFECT = 0.1
_MOST_FOR_ANSWER = 4
_MOST_FOR_RUNNER_UP = 2
_SHOWN_CHARACTERS = 40
_FIELD_NAMES: Final = {
    "description": "the description",
    "brand": "the brand",
    "seller_id": "the seller",
    "subcategory": "the seller's hint",
    "price": "the price",
    "list_price": "the list price",
    "rating": "the rating",
    "reviews_count": "the number of reviews",
}


def reasons(explanation: Explanation, thresholds: Mapping[str, Any]) -> list[str]:
    """An explanation in plain sentences, the most telling first.

    Args:
        explanation: of one product.
        thresholds: the bundle manifest's `thresholds`.
    """
    if not explanation.category:
        return ["There is no title, so nothing can be said."]
    found = [_for_the_answer(explanation.influences)]
    turning = [part for part in explanation.influences if part.category_without != explanation.category]
    if turning:
        other = turning[0].category_without
        instead = f"the answer would be {other}" if other else "nothing could be said"
        found.append(f"Without {_named(turning[0])} {instead}.")
    if explanation.runner_up:
        found.append(_for_the_runner_up(explanation))
    found.append(_decided(explanation, thresholds))
    return found


def _for_the_answer(influences: list[Influence]) -> str:
    telling = _once(part for part in influences if part.effect >= _LEAST_EFFECT)[:_MOST_FOR_ANSWER]
    if not telling:
        return "No word or field decides by itself; several of them say the same."
    listed = ", ".join(f"{_named(part)} (without it {_percent(part.confidence_without)})" for part in telling)
    return f"For it {'speaks' if len(telling) == 1 else 'speak'} {listed}."


def _for_the_runner_up(explanation: Explanation) -> str:
    ranked = sorted(explanation.influences, key=lambda part: -part.towards_runner_up)
    telling = _once(
        part
        for part in ranked
        if part.towards_runner_up >= _LEAST_EFFECT and part.runner_up_effect >= _LEAST_EFFECT
    )[:_MOST_FOR_RUNNER_UP]
    text = f"Next comes {explanation.runner_up} ({_percent(explanation.runner_up_probability)})"
    if telling:
        text += (
            f", for which {' and '.join(map(_named, telling))} {'speaks' if len(telling) == 1 else 'speak'}"
        )
    return text + "."


def _once(influences: Iterable[Influence]) -> list[Influence]:
    """The first of those with the same text: a brand of one word is tried as a word and as a field."""
    found: dict[str, Influence] = {}
    for part in influences:
        found.setdefault(part.text.casefold(), part)
    return list(found.values())


def _decided(explanation: Explanation, thresholds: Mapping[str, Any]) -> str:
    needed = float(thresholds["own"].get(explanation.category, thresholds["common"]))
    sure, least = _percent(explanation.confidence), _percent(needed)
    if sure == least:
        sure, least = f"{explanation.confidence:.2%}", f"{needed:.2%}"
    if explanation.decision == "auto":
        return f"File it: {sure} reaches the {least} that this category needs."
    if explanation.decision == "abstain":
        return f"Do not rely on it: {_lacking(explanation, thresholds, sure)}."
    if needed > 1:
        return "Have a person look: in this category the model was not right often enough to file by itself."
    if explanation.confidence >= needed:
        return "Have a person look: people found too many such answers wrong, so they are held for review."
    return f"Have a person look: {sure} is below the {least} that this category needs."


def _lacking(explanation: Explanation, thresholds: Mapping[str, Any], sure: str) -> str:
    if explanation.familiarity == 0:
        return "there is too little to go on, not two words that training has seen"
    if explanation.familiarity < thresholds["familiar"]:
        return "the wording is unlike anything seen in training"
    if explanation.confidence < thresholds["abstain_below"]:
        return f"{sure} is too little even for a suggestion"
    return "there is no word in the title"


def _named(part: Influence) -> str:
    text = part.text if len(part.text) <= _SHOWN_CHARACTERS else part.text[: _SHOWN_CHARACTERS - 1] + "…"
    if part.kind == "word":
        return f"“{text}”"
    name = _FIELD_NAMES[part.field]
    return name if part.field == "description" else f"{name} {text}"


def _percent(share: float) -> str:
    """A share in whole percent, never rounded to impossible or certain."""
    return "below 1%" if share < 0.01 else f"{min(99, round(100 * share))}%"
