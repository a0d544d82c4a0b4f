"""The peers of `whole_command` as a user would run them, each a process: reads a table, files it, writes it.

`python peers.py pipeline IN OUT MODEL` with this package's Python, or `fasttext …` with that of
`fasttext_peer`, which has neither pandas nor anything of the project; nothing but what a peer needs is imported.
"""

import csv
import re
import sys
from itertools import islice

TEXTS = ("brand", "title", "description", "subcategory")
CHUNK_ROWS = 50_000
"""Rows that are filed at once: the features of a million would not fit in memory."""


def pipeline(source: str, out: str, model: str) -> None:
    """TF-IDF and a linear SVM, by pandas; CSV or Parquet."""
    import joblib
    import pandas as pd

    vectoriser, svm = joblib.load(model)

    def filed(frame: pd.DataFrame) -> pd.DataFrame:
        text = frame[list(TEXTS)].fillna("").agg(" ".join, axis=1)
        return frame.assign(predicted_category=svm.predict(vectoriser.transform(text)))

    if source.endswith(".parquet"):
        pd.concat([filed(part) for part in _parts(pd.read_parquet(source))]).to_parquet(out)
        return
    with sys.stdout if out == "-" else open(out, "w", encoding="utf-8") as file:  # noqa: PTH123
        for number, frame in enumerate(pd.read_csv(source, chunksize=CHUNK_ROWS)):
            filed(frame).to_csv(file, index=False, header=number == 0)
            file.flush()


def _parts(frame):
    for start in range(0, len(frame), CHUNK_ROWS):
        yield frame.iloc[start : start + CHUNK_ROWS]


def fasttext(source: str, out: str, model: str) -> None:
    """A fastText model, whose labels are numbers of lines of `MODEL.labels`; CSV."""
    import fasttext as library

    library.FastText.eprint = lambda text: None
    loaded = library.load_model(model)
    with open(f"{model}.labels", encoding="utf-8") as file:  # noqa: PTH123
        labels = file.read().splitlines()
    with (
        open(source, encoding="utf-8", newline="") as read,  # noqa: PTH123
        sys.stdout if out == "-" else open(out, "w", encoding="utf-8") as file,  # noqa: PTH123
    ):
        rows, writer = csv.DictReader(read), csv.writer(file, lineterminator="\n")
        writer.writerow([*rows.fieldnames, "predicted_category"])
        while chunk := list(islice(rows, CHUNK_ROWS)):
            _file(chunk, loaded, labels, writer)
            file.flush()


def _file(rows, model, labels, writer):
    lines = [line_of(" ".join(filter(None, (row[name] for name in TEXTS)))) for row in rows]
    for row, found in zip(rows, model.predict(lines)[0], strict=True):
        writer.writerow([*row.values(), labels[int(found[0].removeprefix("__label__"))] if found else ""])


def line_of(text: str) -> str:
    """Lower case, words and marks parted by spaces, as fastText's authors prepare texts."""
    return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))


if __name__ == "__main__":
    {"pipeline": pipeline, "fasttext": fasttext}[sys.argv[1]](*sys.argv[2:5])
