from prodclf_assets.classifier.labels import LabelTree, ancestors, parent_of

TREE = LabelTree.of(["B > x > 1", "A", "B > x > 2", "B > y", "A", "C > x"])


def test_codes_are_positions_in_ascending_order_of_distinct_paths() -> None:
    assert TREE.paths == ("A", "B > x > 1", "B > x > 2", "B > y", "C > x")
    assert len(TREE) == 5
    assert TREE.encode(["C > x", "unknown", "A", "B"]).tolist() == [4, -1, 0, -1]
    assert TREE.encode([]).dtype == "int32"


def test_labels_of_one_parent_and_of_one_top_category_share_a_number() -> None:
    parent, root = TREE.parent.tolist(), TREE.root.tolist()
    assert parent[1] == parent[2]
    assert len(set(parent)) == 4  # of A, B > x, B and C: equal names under other parents stay apart
    assert root[1] == root[2] == root[3]
    assert len(set(root)) == 3


def test_names_are_the_last_level() -> None:
    assert TREE.names == ["A", "1", "2", "y", "x"]


def test_ancestors_come_nearest_first() -> None:
    assert ancestors("a > b > c") == ["a > b", "a"]
    assert ancestors("a") == []
    assert parent_of("a > b") == "a"
    assert parent_of("a") == ""
    assert parent_of("a>b") == ""


def test_branches_are_all_paths_above_leaves() -> None:
    assert TREE.branches == ("B", "B > x", "C")
    assert LabelTree.of(["a", "b"]).branches == ()
