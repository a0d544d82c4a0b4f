import json

from prodclf_serving.recording import request_log
from prodclf_serving.recording.request_log import RequestLog


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_json_with_a_time_and_in_order(tmp_path):
    path = tmp_path / "logs" / "requests.jsonl"
    log = RequestLog(path)
    log.start()
    for number in range(3):
        log.write({"request_id": f"r-{number}", "status": 200})
    log.stop()
    lines = _lines(path)
    assert [line["request_id"] for line in lines] == ["r-0", "r-1", "r-2"]
    assert all(line["time"].endswith("+00:00") for line in lines)


def test_the_file_may_be_taken_away_at_any_time(tmp_path):
    path = tmp_path / "requests.jsonl"
    log = RequestLog(path)
    log.write({"n": 1})
    log.flush()
    path.rename(tmp_path / "taken.jsonl")
    log.write({"n": 2})
    log.flush()
    assert [line["n"] for line in _lines(path)] == [2]
    assert log.dropped == 0


def test_a_full_file_makes_room_and_the_space_is_bounded(tmp_path):
    path = tmp_path / "requests.jsonl"
    log = RequestLog(path, max_bytes=50)
    for number in range(6):
        log.write({"n": number})
        log.flush()
    assert [line["n"] for line in _lines(tmp_path / "requests.jsonl.1") + _lines(path)] == [2, 3, 4, 5]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["requests.jsonl", "requests.jsonl.1"]


def test_what_cannot_be_written_is_counted_not_raised(tmp_path):
    log = RequestLog(tmp_path / "absent" / "requests.jsonl")
    log.write({"n": 1})
    log.flush()
    assert log.dropped == 1


def test_the_buffer_is_bounded_and_drops_the_oldest(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "_BUFFER_LINES", 3)
    log = RequestLog(tmp_path / "requests.jsonl")
    for number in range(5):
        log.write({"n": number})
    log.flush()
    assert [line["n"] for line in _lines(tmp_path / "requests.jsonl")] == [2, 3, 4]
    assert log.dropped == 2


def test_nothing_to_write_makes_no_file(tmp_path):
    RequestLog(tmp_path / "requests.jsonl").flush()
    assert not (tmp_path / "requests.jsonl").exists()


def test_a_link_is_followed_and_never_renamed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "output")
    log = RequestLog(tmp_path / "link", max_bytes=1)
    for number in range(2):
        log.write({"n": number})
        log.flush()
    assert [line["n"] for line in _lines(tmp_path / "output")] == [0, 1]
    assert (tmp_path / "link").is_symlink()
