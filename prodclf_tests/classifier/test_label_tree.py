import numpy as np

from prodclf_assets.classifier.label_tree import LabelTree, ancestors, parent_of

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


def test_lineage_lists_what_is_above_a_label_the_nearest_first() -> None:
    above = [[TREE.branches[code] for code in row if code >= 0] for row in TREE.lineage.tolist()]
    assert above == [ancestors(path) for path in TREE.paths]
    assert LabelTree.of(["a", "b"]).lineage.shape == (2, 0)


def test_a_branch_has_the_probability_of_what_is_at_or_below_it_and_nothing_else() -> None:
    tree = LabelTree.of(["A", "A > x", "A > x > 1", "AB", "B > A"])
    candidates = np.array([[2, 0, 1, 3, 4], [3, 0, 1, 2, 4], [4, 2, 1, 0, 3]], np.int32)
    found = tree.branch_probabilities(candidates, np.tile([0.3, 0.1, 0.2, 0.15, 0.25], (3, 1)))
    np.testing.assert_allclose(found, [[0.5, 0.6], [0, 0], [0.3, 0]])
    assert tree.branch_probabilities(candidates[:0], np.empty((0, 5))).shape == (0, 2)
    flat = LabelTree.of(["a", "b"]).branch_probabilities(np.array([[1, 0]], np.int32), np.array([[0.6, 0.4]]))
    assert flat.shape == (1, 0)
