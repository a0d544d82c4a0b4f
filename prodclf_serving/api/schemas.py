"""The shapes of requests and answers, and their examples.

The two prediction routes do not build these models: they parse with orjson and answer dictionaries. Tests hold the two together.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from prodclf_assets.catalog.text.normalise import text_value

PRODUCT_EXAMPLE: dict[str, Any] = {
    "product_id": "A-1001",
    "title": "Hydro Flask Stainless Steel Water Bottle, 1 litre",
    "brand": "Hydro Flask",
    "seller_id": "S-42",
    "price": "₹32,999",
    "list_price": 3499,
    "rating": 4.4,
    "reviews_count": "2,255",
}
FEEDBACK_EXAMPLE = {**PRODUCT_EXAMPLE, "category": "Home > Kitchen > Bottles", "reviewer": "asha"}
"""Its category while no model is live, which has others."""
BATCH_EXAMPLE: list[dict[str, Any]] = [
    PRODUCT_EXAMPLE,
    {"product_id": "A-1002", "title": "Organic Basmati Rice 5 kg", "price": 12.5},
    {"product_id": "A-1003", "title": ""},
]
CSV_EXAMPLE = (
    "product_id,title,brand,price\n"
    'A-1001,"Stainless Steel Water Bottle, 1 litre",Hydro Flask,"₹32,999"\n'
    "A-1002,Organic Basmati Rice 5 kg,,12.50\n"
)
NDJSON_EXAMPLE = (
    '{"product_id": "A-1001", "title": "Stainless Steel Water Bottle, 1 litre", "price": "₹32,999"}\n'
    '{"product_id": "A-1002", "title": "Organic Basmati Rice 5 kg"}\n'
)

MOST_TEXT_CHARS = 500
"""Of what is said beside a product; of its own fields more may come, and what is too long is cut."""


def _text(value: Any, info: ValidationInfo) -> str:
    """A text in normal form; "" when it is absent."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_TEXT_CHARS:
        wrong = f"{info.field_name} must be a text of at most {MOST_TEXT_CHARS} characters"
        raise PydanticCustomError("text", "{wrong}", {"wrong": wrong})
    return text_value(value)


def _any_of(*types: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": each} for each in types]})


# Documented as narrow as they are meant, and taken as they come: a value that cannot be used is no reason to refuse.
Title = Annotated[Any, WithJsonSchema({"type": "string", "minLength": 1})]
ProductId = Annotated[Any, _any_of("string", "integer", "null")]
Text = Annotated[Any, _any_of("string", "number", "null")]
Number = Annotated[Any, _any_of("number", "string", "null")]

_TEXT_SCHEMA = {"type": "string", "maxLength": MOST_TEXT_CHARS}
Category = Annotated[str, BeforeValidator(_text), WithJsonSchema(_TEXT_SCHEMA | {"minLength": 1})]
Remark = Annotated[str, BeforeValidator(_text), WithJsonSchema({"anyOf": [_TEXT_SCHEMA, {"type": "null"}]})]


class Product(BaseModel):
    """A product; only the title is required, and what is absent or null stays missing.

    A value that cannot be used counts as missing and is named in the answer's `issues`. Other fields are ignored.
    """

    # An absent title is refused as an empty one is: by what predicts, and in its words.
    model_config = ConfigDict(extra="allow", json_schema_extra={"required": ["title"]})

    title: Title = Field(
        default_factory=str,
        description="What the shop calls the product; at most 20,000 characters are looked at.",
    )
    product_id: ProductId = Field(default=None, description="Your id, given back in the answer.")
    description: Text = Field(default=None, description="Longer text about the product.")
    brand: Text = Field(default=None, description="Brand or maker.")
    seller_id: Text = Field(default=None, description="Who sells it.")
    subcategory: Text = Field(default=None, description="The seller's own hint at a category.")
    price: Number = Field(default=None, description="Price as a number or as written, such as `₹32,999`.")
    list_price: Number = Field(default=None, description="Price before discount, written likewise.")
    rating: Number = Field(default=None, description="Mean rating on any scale up to 100.")
    reviews_count: Number = Field(default=None, description="Number of reviews, such as `2,255`.")


class Feedback(Product):
    """A product and the category that a person says it belongs in."""

    model_config = ConfigDict(json_schema_extra={"required": ["title", "category"]})

    category: Category = Field(
        default_factory=str,
        description="The right category: a leaf of the live model, its path joined with ` > `.",
    )
    reviewer: Remark = Field(default_factory=str, description="Who says so.")
    request_id: Remark = Field(default_factory=str, description="Id of the prediction that this is about.")
    predicted_category: Remark = Field(default_factory=str, description="What was predicted.")
    model_version: Remark = Field(default_factory=str, description="The model version that predicted it.")


class CategoryProbability(BaseModel):
    """One candidate category."""

    category: str = Field(description="Category path, joined with ` > `.")
    probability: float = Field(ge=0, le=1, description="Calibrated probability that it is the right one.")


class FieldNote(BaseModel):
    """A field that could not be used."""

    field: str = Field(description="Name of the field; empty when the line as a whole is meant.")
    detail: str = Field(description="What was wrong with it; it counts as missing.")


class Prediction(BaseModel):
    """The category of one product."""

    product_id: str | int | None = Field(default=None, description="As given; absent when it was not.")
    category: str = Field(description="The likeliest category: its path, joined with ` > `.")
    path: list[str] = Field(description="The levels of `category`, coarse to fine.")
    confidence: float = Field(ge=0, le=1, description="Calibrated probability that `category` is right.")
    decision: Literal["auto", "review", "abstain"] = Field(
        description="`auto`: file it; `review`: have a person look; `abstain`: the model does not know."
    )
    branch: str = Field(
        description="The part of the path that is sure enough to be filed without a person; empty when none is."
    )
    probabilities: list[CategoryProbability] = Field(description="The likeliest leaves, best first.")
    model_version: str = Field(description="Version number of the model in the registry.")
    degraded: bool = Field(description="True when the answer comes from less than the current model.")
    degraded_reason: str | None = Field(default=None, description="Why; absent when not degraded.")
    issues: list[FieldNote] | None = Field(
        default=None, description="Fields that counted as missing; absent if none."
    )
    request_id: str = Field(description="The request's `X-Request-ID`, or one made for it.")


class Influence(BaseModel):
    """What one word or field of the product did to the answer: it was left out, and the answer asked for again."""

    kind: Literal["word", "field"]
    field: str = Field(description="The field; for a word the one it was first read in.")
    text: str = Field(description="The word, or the field's value.")
    effect: float = Field(
        description="Fall of the answer's log-odds without it; positive when it speaks for the answer."
    )
    runner_up_effect: float = Field(description="The same of the runner-up.")
    confidence_without: float = Field(ge=0, le=1, description="Probability of the answer without it.")
    category_without: str = Field(description="The answer without it; empty when nothing could be said.")


class ExplainedPrediction(Prediction):
    """A prediction and why it is what it is."""

    reasons: list[str] = Field(description="The explanation in plain sentences, the most telling first.")
    runner_up: CategoryProbability | None = Field(
        description="The next likeliest category; null without one."
    )
    influences: list[Influence] = Field(
        description="Every word and field that was tried, the strongest for the answer first."
    )


class FeedbackStored(BaseModel):
    """The feedback is in the lake."""

    status: Literal["stored"]
    category: str = Field(description="As it was stored.")
    issues: list[FieldNote] | None = Field(
        default=None, description="Fields of the product that counted as missing; absent if none."
    )
    request_id: str = Field(description="The `X-Request-ID` of this request, or one made for it.")


class ItemProblem(BaseModel):
    """Why one product cannot be classified."""

    row: int = Field(ge=0, description="Position of the product in the request, from 0.")
    line: int | None = Field(default=None, ge=1, description="Line of a CSV or NDJSON body, from 1.")
    field: str | None = Field(default=None, description="The field at fault; absent when the whole item is.")
    detail: str = Field(description="What is wrong.")


class FailedItem(BaseModel):
    """An item of a batch that has no prediction."""

    product_id: str | int | None = Field(default=None, description="As given, where it could be read.")
    error: ItemProblem


class BatchAnswer(BaseModel):
    """The answers to a batch, in its order."""

    predictions: list[Prediction | FailedItem] = Field(description="One entry for each item of the request.")
    rows: int = Field(ge=0, description="How many items the request had.")
    failed: int = Field(ge=0, description="How many of them have an error in place of a prediction.")
    model_version: str = Field(description="The one version that answered all of them.")
    request_id: str = Field(description="The request's `X-Request-ID`, or one made for it.")


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Kind of the error, stable for programs.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="HTTP status code.")
    detail: str = Field(description="What went wrong, in one sentence.")
    instance: str = Field(description="Path of the request.")
    request_id: str = Field(description="Id under which the request is logged.")
    errors: list[ItemProblem] | None = Field(
        default=None, description="Row and field of each fault, for 422."
    )


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class Ready(BaseModel):
    """A canary prediction works."""

    status: Literal["ready"]
    model_version: str


class Identity(BaseModel):
    """What this service is and where its parts are."""

    service: str
    version: str
    model_version: str | None = Field(description="The live model; null when there is none yet.")
    links: dict[str, str] = Field(description="Paths of the service by name.")


class DriftCause(BaseModel):
    """Whether one thing has changed since the training, by the comparison that says most."""

    name: str = Field(description="What: input, vocabulary, brand, seller, price, output, confidence.")
    measured: bool = Field(description="Whether enough products had what it takes to compare.")
    drifted: bool = Field(description="Whether the change is large enough and no chance.")
    sentence: str = Field(description="What is so, with numbers.")
    advice: Literal["none", "ignore", "label", "retrain"]
    measure: str | None = Field(description="Name of the effect size.")
    effect: float | None = Field(description="Its value beyond chance.")
    threshold: float | None = Field(description="From where it counts.")
    p_value: float | None = Field(description="Chance of as much without drift.")
    level: float | None = Field(description="From where that counts.")
    rows: int = Field(description="Products compared.")
    minimum_rows: int = Field(description="How many it takes.")


class DriftState(BaseModel):
    """The latest answers of this replica against the model's training."""

    measured_at: str = Field(description="ISO 8601.")
    rows: int = Field(description="Products in the window, at most 1,000.")
    advice: Literal["none", "ignore", "label", "retrain"]
    drifted: list[str] = Field(description="Names of the causes that have.")
    causes: list[DriftCause]


class ModelState(BaseModel):
    """The live model."""

    name: str = Field(description="Registered model name.")
    alias: str = Field(description="The alias or version that is followed.")
    model_version: str = Field(description="Version number in the registry.")
    bundle_version: str = Field(description="First 12 digits of the bundle's hash.")
    loaded_at: str = Field(description="When it went live in this replica, ISO 8601.")
    categories: int = Field(description="How many categories it knows.")
    degraded: bool
    degraded_reason: str | None = None
    previous_version: str | None = Field(description="Registry version that answered before it.")
    last_error: str | None = Field(
        description="Why a newer version is not live, or the registry not heard of."
    )
    replica: str = Field(description="Which replica this is; it tells its own state.")
    drift: DriftState | None = Field(
        description="What was found last; null until 250 products have been answered by the live model."
    )
    manifest: dict[str, Any] = Field(description="The bundle's manifest: data hash, metrics, thresholds.")


class Categories(BaseModel):
    """What the live model can answer."""

    model_version: str = Field(description="Version number in the registry.")
    categories: list[str] = Field(description="Category paths, joined with ` > `, in ascending order.")
