"""Mappings: read, inferred, completed, checked; every error names file, column and remedy."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from prodclf_assets.catalog.reading.columns.mapping import (
    SourceConfig,
    check_columns,
    complete_config,
    infer_source_config,
    load_source_config,
)
from prodclf_assets.errors import MappingError

BIGBASKET = [
    "index",
    "product",
    "category",
    "sub_category",
    "brand",
    "sale_price",
    "market_price",
    "type",
    "rating",
]
AMAZON = [
    "name",
    "main_category",
    "sub_category",
    "ratings",
    "no_of_ratings",
    "discount_price",
    "actual_price",
]
OWN = [
    "product_id",
    "title",
    "description",
    "brand",
    "seller_id",
    "subcategory",
    "price",
    "list_price",
    "rating",
    "reviews_count",
    "category",
]
MAPPINGS = Path(__file__).parents[3] / "mappings"


@pytest.mark.parametrize(("name", "columns"), [("bigbasket", BIGBASKET), ("amazon_in", AMAZON)])
def test_the_usual_names_give_the_mapping_a_person_would_write(name: str, columns: list[str]) -> None:
    assert infer_source_config(columns, require_labels=True) == load_source_config(MAPPINGS / f"{name}.yaml")


def test_our_own_names_map_to_themselves_and_subcategory_is_a_hint() -> None:
    config = infer_source_config(OWN, require_labels=True)
    assert config.columns == {name: name for name in OWN if name != "category"}
    assert config.category_path == ["category"]


@pytest.mark.parametrize(
    ("columns", "path"),
    [
        (["name", "category"], ["category"]),
        (["name", "Main Category", "Sub-Category"], ["Main Category", "Sub-Category"]),
        (
            ["name", "masterCategory", "subCategory", "articleType"],
            ["masterCategory", "subCategory", "articleType"],
        ),
        (["name", "category_3", "category_1", "category_2"], ["category_1", "category_2", "category_3"]),
        (["name", "L1", "L2"], ["L1", "L2"]),
        (["name", "category_path", "category"], ["category_path"]),
        (["name", "department", "category"], ["department", "category"]),
        (["name", "category", "type"], ["category"]),
        (["name", "sub_category"], ["sub_category"]),
        (["name", "type"], []),
        (["name"], []),
    ],
)
def test_category_paths_are_inferred_coarse_to_fine(columns: list[str], path: list[str]) -> None:
    assert infer_source_config(columns).category_path == path


@pytest.mark.parametrize(
    ("columns", "fields", "path"),
    [
        (
            "Artikelnummer;Bezeichnung;Marke;Warengruppe;VK-Preis",
            "product_id title brand - price",
            "Warengruppe",
        ),
        ("Référence;Désignation;Marque;Catégorie;Prix", "product_id title brand - price", "Catégorie"),
        ("Código;Nombre;Marca;Categoría;Precio", "product_id title brand - price", "Categoría"),
        ("Codice;Titolo;Marca;Categoria;Prezzo", "product_id title brand - price", "Categoria"),
        ("Código;Título;Fabricante;Categoria;Preço", "product_id title brand - price", "Categoria"),
        ("Artikelcode;Productnaam;Merk;Categorie;Prijs", "product_id title brand - price", "Categorie"),
        ("Kod produktu;Nazwa;Producent;Kategoria;Cena", "product_id title brand - price", "Kategoria"),
        ("商品番号;商品名;メーカー;カテゴリ;価格", "product_id title brand - price", "カテゴリ"),
    ],
)
def test_usual_names_of_other_languages_are_known(columns: str, fields: str, path: str) -> None:
    names = columns.split(";")
    expected = {field: name for field, name in zip(fields.split(), names, strict=True) if field != "-"}
    assert infer_source_config(names) == SourceConfig(columns=expected, category_path=[path])


def test_a_column_that_says_something_beats_one_of_a_better_name() -> None:
    columns = ["Title", "Product Name", "Name", "name", "price"]
    assert infer_source_config(columns, poor={"Title", "Product Name", "Name"}).columns["title"] == "name"
    assert infer_source_config(columns, poor=columns).columns == {"title": "Title", "price": "price"}


def test_a_column_serves_one_field_and_never_both_path_and_field() -> None:
    config = infer_source_config(["title", "name", "category", "sub_category", "ratings", "reviews"])
    assert config.columns == {"title": "title", "rating": "ratings", "reviews_count": "reviews"}
    assert "subcategory" not in config.columns


def test_inference_that_fails_lists_the_columns_and_the_remedy() -> None:
    with pytest.raises(
        MappingError, match=r"shop\.csv has no column .* titles; its columns are 'a', 'b'; give a mapping"
    ):
        infer_source_config(["a", "b"], file="shop.csv")
    with pytest.raises(MappingError, match=r"shop\.csv has no column .* categories.*category_path"):
        infer_source_config(["title"], require_labels=True, file="shop.csv")
    with pytest.raises(MappingError, match="and 10 more"):
        infer_source_config([f"c{i}" for i in range(50)])


def test_several_paths_of_a_cell_and_categories_that_are_never_answers(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(
        'category_path: tags\nseveral: ","\nnever_answers: [Sale, " Food>Organic ", Sale]\n', encoding="utf-8"
    )
    config = load_source_config(path)
    assert (config.several, config.never_answers) == (",", ("Sale", "Food > Organic"))
    full = complete_config(config, ["title", "tags"], require_labels=True, file="shop.csv")
    assert (full.several, full.never_answers) == (",", ("Sale", "Food > Organic"))
    path.write_text(full.to_yaml(), encoding="utf-8")
    assert load_source_config(path) == full
    assert "never_answers" not in SourceConfig(columns={"title": "t"}).to_yaml()
    with pytest.raises(ValidationError, match="several says that one cell holds several paths"):
        SourceConfig(category_path=["a", "b"], several=",")
    with pytest.raises(ValidationError, match="never_answers: 'A >' has a blank level; write whole paths"):
        SourceConfig(never_answers=("A >",))


def test_yaml_round_trip(tmp_path: Path) -> None:
    config = SourceConfig(columns={"title": "Prodúct", "price": "p"}, category_path=["a", "b"], depth=2)
    path = tmp_path / "m.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert load_source_config(path) == config
    assert "depth" not in SourceConfig(columns={"title": "t"}).to_yaml()


def test_a_partial_mapping_is_completed_from_usual_names() -> None:
    config = complete_config(SourceConfig(depth=1), BIGBASKET, require_labels=True, file="f")
    assert config.depth == 1
    assert config.category_path == ["category", "sub_category", "type"]
    config = complete_config(
        SourceConfig(columns={"title": "type"}), BIGBASKET, require_labels=True, file="f"
    )
    assert config.columns == {"title": "type"}
    assert config.category_path == ["category", "sub_category"]
    config = complete_config(SourceConfig(category_path=["brand"]), BIGBASKET, require_labels=True, file="f")
    assert "brand" not in config.columns


def test_a_mapping_without_title_or_with_too_much_depth_is_refused() -> None:
    with pytest.raises(MappingError, match=r"names no title; add `title: …`"):
        complete_config(SourceConfig(columns={"price": "p"}), ["p", "name"], require_labels=False, file="f")
    with pytest.raises(MappingError, match="depth is 9 but category_path has 3 levels"):
        complete_config(SourceConfig(depth=9), BIGBASKET, require_labels=True, file="f")


def test_a_path_may_be_one_name() -> None:
    assert SourceConfig.model_validate({"category_path": "cat"}).category_path == ["cat"]
    assert SourceConfig(category_path=["cat"], depth=5).depth == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: {titel: a}", r"'titel' is not a field of a product.*did you mean 'title'"),
        ("columns: {title: ''}", "title has no column name"),
        ("colums: {}", r"'colums' is not a setting \(did you mean 'columns'\?\)"),
        ("depth: 0", "depth: .*greater than or equal to 1"),
        ("depth: deep", "depth: .*integer"),
        ("columns: 3", "columns: .*dictionary"),
        ("category_path: [a, '']", "blank level"),
        ("category_path: [a, a]", "names a column twice"),
        ("category_path: [a, b]\ndepth: 3", "depth is 3 but category_path has 2 levels"),
        (
            "columns: {subcategory: b}\ncategory_path: [a, b]",
            "'b' is part of category_path and cannot also be subcategory",
        ),
        ("a: [", "not valid YAML"),
        ("- x", "holds no mapping"),
    ],
)
def test_a_faulty_mapping_file_stops_with_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(MappingError, match=said) as caught:
        load_source_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_or_unreadable_mapping_file_stops(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cannot be read"):
        load_source_config(tmp_path / "none.yaml")
    (tmp_path / "m.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MappingError, match="UTF-8"):
        load_source_config(tmp_path / "m.yaml")


def test_an_empty_mapping_file_leaves_all_to_inference(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("# nothing yet\n")
    assert load_source_config(tmp_path / "m.yaml") == SourceConfig()


def test_unknown_columns_are_named_with_those_that_exist() -> None:
    config = SourceConfig(columns={"title": "prodct"}, category_path=["kind"])
    with pytest.raises(
        MappingError,
        match=r"f\.csv has no column 'prodct'.*columns\.title.*'product'.*did you mean 'product'",
    ):
        check_columns(config, ["product", "b"], require_labels=False, file="f.csv")
    check_columns(config, ["prodct"], require_labels=False, file="f.csv")
    with pytest.raises(MappingError, match=r"no column 'kind', which the mapping names in category_path"):
        check_columns(config, ["prodct"], require_labels=True, file="f.csv")


def test_a_mapping_cannot_be_changed_after_the_fact() -> None:
    with pytest.raises(ValidationError):
        SourceConfig().depth = 3
