import re

import pytest

from prodclf_assets.classifier.explanation.leave_one_out import Explanation, Influence, explain
from prodclf_assets.classifier.explanation.reasons import reasons
from prodclf_tests.classifier.explanation.test_leave_one_out import batch

LIMITS = {
    "common": 0.8,
    "own": {"A > C": 0.9, "A > N": 1.01},
    "branch": 0.9,
    "abstain_below": 0.1,
    "familiar": 0.5,
}


def influence(text: str, effect: float = 0.0, **parts) -> Influence:
    given = {
        "kind": "word",
        "field": "title",
        "runner_up_effect": -effect,
        "confidence_without": 0.5,
        "category_without": "A > B",
    }
    return Influence(text=text, effect=effect, **{**given, **parts})


def explanation(*influences: Influence, **parts) -> Explanation:
    given = {
        "category": "A > B",
        "confidence": 0.85,
        "familiarity": 0.9,
        "decision": "auto",
        "runner_up": "A > C",
        "runner_up_probability": 0.1,
    }
    return Explanation(**{**given, **parts}, influences=list(influences))


def test_the_words_that_speak_for_the_answer_come_first_and_are_few():
    parts = [influence(f"w{number}", 5.0 - number, confidence_without=number / 10) for number in range(6)]
    found = reasons(explanation(*parts), LIMITS)
    assert found[0] == (
        "For it speak “w0” (without it below 1%), “w1” (without it 10%), “w2” (without it 20%), “w3” (without it 30%)."
    )


def test_what_would_turn_the_answer_is_named():
    parts = [influence("bottle", 3.0, category_without="A > C"), influence("steel", 1.0)]
    assert "Without “bottle” the answer would be A > C." in reasons(explanation(*parts), LIMITS)
    parts = [influence("bottle", 3.0, category_without="")]
    assert "Without “bottle” nothing could be said." in reasons(explanation(*parts), LIMITS)


def test_the_runner_up_is_named_with_what_speaks_for_it():
    parts = [
        influence("3", -1.0, kind="field", field="price", runner_up_effect=2.0),
        influence("Milton", 0.2, kind="field", field="brand", runner_up_effect=0.9),
        influence("x", -0.5, runner_up_effect=0.0),
    ]
    found = reasons(explanation(*parts), LIMITS)
    assert "Next comes A > C (10%), for which the price 3 and the brand Milton speak." in found
    assert "Next comes A > C (10%)." in reasons(explanation(), LIMITS)
    assert not [text for text in reasons(explanation(runner_up=""), LIMITS) if "Next" in text]


def test_when_nothing_decides_by_itself_that_is_said():
    assert reasons(explanation(influence("x", 0.05)), LIMITS)[0].startswith("No word or field decides")


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({}, "File it: 85% reaches the 80% that this category needs."),
        (
            {"decision": "review", "category": "A > C"},
            "Have a person look: 85% is below the 90% that this category needs.",
        ),
        (
            {"decision": "review", "category": "A > C", "confidence": 0.8964},
            "Have a person look: 89.64% is below the 90.00% that this category needs.",
        ),
        (
            {"decision": "review", "category": "A > N"},
            "Have a person look: in this category the model was not right often enough to file by itself.",
        ),
        (
            {"decision": "abstain", "confidence": 0.05},
            "Do not rely on it: 5% is too little even for a suggestion.",
        ),
        (
            {"decision": "abstain", "familiarity": 0.2},
            "Do not rely on it: the wording is unlike anything seen in training.",
        ),
        ({"decision": "abstain"}, "Do not rely on it: there is no word in the title."),
    ],
)
def test_the_decision_says_what_it_rests_on(parts, sentence):
    assert reasons(explanation(**parts), LIMITS)[-1] == sentence


def test_a_brand_that_is_also_a_word_is_named_once():
    parts = [
        influence("Milton", 2.0),
        influence("milton", 2.0, kind="field", field="brand"),
        influence("x", 1.0),
    ]
    assert reasons(explanation(*parts), LIMITS)[0].count("ilton") == 1


def test_long_values_are_cut_and_descriptions_not_quoted():
    parts = [
        influence("y" * 100, 2.0),
        influence("z" * 300, 1.0, kind="field", field="description"),
    ]
    text = reasons(explanation(*parts), LIMITS)[0]
    assert "y" * 39 + "…”" in text
    assert "y" * 40 not in text
    assert "the description (without" in text


def test_without_a_title_that_is_the_reason():
    assert reasons(explanation(category=""), LIMITS) == ["There is no title, so nothing can be said."]


def test_a_real_bundle_gives_its_own_thresholds(trained_bundle):
    product = batch({"title": "Basmati rice 5 kg", "price": 10})
    (found,) = explain(trained_bundle, product)
    text = reasons(found, trained_bundle.manifest.thresholds)
    assert "rice" in text[0].lower()
    assert re.match(r"(File it|Have a person look|Do not rely on it): ", text[-1])
