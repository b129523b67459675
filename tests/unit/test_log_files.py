"""Log files: rotation by day and size, two writers at once, a disk that fails, and no secret in any line."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import logging
import os
import re
import signal
import stat
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bots import log_files, logs
from bots.log_files import DailyFile, FileHandler
from bots.secret import Secret

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 11, 21)
WRITER = """
import logging, sys, time
from datetime import datetime, timedelta, UTC
from pathlib import Path
from bots import log_files, logs
log_files._FILE_BYTES = 20_000
folder, who, lines = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
log = logs.configure("w.m.spot", "INFO", folder, "m", "spot")
start = datetime(2026, 11, 21, 23, 59, tzinfo=UTC).timestamp()
made = logging.getLogRecordFactory()
step = 0
def stepped(*args, **kwargs):
    global step
    record = made(*args, **kwargs)
    record.created, step = start + step * 120 / lines, step + 1
    return record
logging.setLogRecordFactory(stepped)
print("ready", flush=True)
sys.stdin.readline()
for number in range(lines):
    log.info("decision" if number % 2 else "tick", who=who, number=number)
"""


@pytest.fixture(autouse=True)
def quiet():
    """Give the process its own logging back."""
    kept, hook, level = logging.root.handlers[:], sys.excepthook, logging.root.level
    yield
    for handler in logging.root.handlers:
        if handler not in kept:
            handler.close()
    logging.root.handlers[:], sys.excepthook = kept, hook
    logging.root.setLevel(level)
    logging.getLogger("bot").setLevel(logging.NOTSET)


def line(day, text="x"):
    return f'{{"ts": "{day}T10:00:00.000+00:00", "event": "{text}"}}\n'.encode()


def texts(path):
    return [json.loads(row)["event"] for row in path.read_text().splitlines()]


def test_every_line_is_in_the_traders_log_and_decisions_are_in_their_own_too(tmp_path, capsys):
    log = logs.configure("wallet-1.inj-usdt.spot", "INFO", tmp_path, "inj-usdt", "spot")
    log.info("connected", ticker="INJ/USDT")
    log.info("decision", reason="skewed", create=2, price=Decimal("1E+2"))
    log.debug("order_booked", cid="1")
    for event in ("order_placed", "order_cancelled", "fill", "halted", "stopped"):
        log.warning(event)
    folder = tmp_path / "inj-usdt"
    out = capsys.readouterr().out
    assert (folder / "spot_trader.log").read_text() == out
    assert out.count("\n") == 7
    assert '"price": "100"' in out
    decisions = ["decision", "order_placed", "order_cancelled", "fill", "halted"]
    assert texts(folder / "enhanced_trading.log") == decisions
    assert {path.name for path in folder.iterdir()} == {"spot_trader.log", "enhanced_trading.log"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o640}


def test_decisions_are_kept_at_any_level_and_stdout_alone_needs_no_folder(tmp_path, capsys):
    logs.configure("b", "ERROR", tmp_path, "m", "derivative").info("decision")
    assert texts(tmp_path / "m" / "enhanced_trading.log") == ["decision"]
    assert not (tmp_path / "m" / "derivative_trader.log").exists()
    logs.configure("b", "INFO").info("alone")
    assert json.loads(capsys.readouterr().out)["event"] == "alone"


def test_a_file_is_put_aside_at_midnight_and_when_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "_FILE_BYTES", 150)
    path = tmp_path / "spot_trader.log"
    file = DailyFile(path)
    for number in range(5):
        file.append(line(DAY, f"a{number}"), DAY)
    # A new process finds yesterday's file.
    DailyFile(path).append(line(DAY + timedelta(1), "b"), DAY + timedelta(1))
    assert texts(path) == ["b"]
    parts = {p.name.removeprefix("spot_trader.log."): texts(p) for p in tmp_path.glob("*.log.*")}
    assert parts == {"2026-11-21.1": ["a0", "a1"], "2026-11-21.2": ["a2", "a3"], "2026-11-21.3": ["a4"]}
    # The first one still has the old file open, and goes over to the new one.
    file.append(line(DAY + timedelta(1), "c"), DAY + timedelta(1))
    assert texts(path) == ["b", "c"]


def test_five_days_are_kept_and_all_files_of_a_bot_together_stay_below_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "_FILE_BYTES", 1000)
    monkeypatch.setattr(log_files, "_FOLDER_BYTES", 10_000)
    traders, decisions = (DailyFile(tmp_path / f"{name}.log") for name in ("spot_trader", "enhanced_trading"))
    (tmp_path / "notes.txt").write_text("not ours")
    (tmp_path / "spot_trader.log.2026-99-99.7").touch()
    for number in range(8):
        day = DAY + timedelta(number)
        traders.append(line(day), day)
        decisions.append(line(day), day)
    for name in ("spot_trader", "enhanced_trading"):
        kept = sorted(path.name.split(".")[2] for path in tmp_path.glob(f"{name}.log.2026-1*"))
        assert kept == [str(DAY + timedelta(number)) for number in range(3, 7)]
    last = DAY + timedelta(7)
    for number in range(400):
        (traders if number % 3 else decisions).append(line(last, f"n{number}"), last)
        logs_of_bot = list(tmp_path.glob("*.log*"))
        assert sum(path.stat().st_size for path in logs_of_bot) <= 10_000
    kept = [text for path in tmp_path.glob("*.log*") for text in texts(path)]
    assert sorted(int(text[1:]) for text in kept)[-100:] == list(range(300, 400))
    assert (tmp_path / "notes.txt").exists()


def start(folder, who, lines):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), who, str(lines)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.parametrize("frozen", [False, True])
def test_two_processes_lose_no_line_over_midnight_and_wait_for_nobody(tmp_path, frozen):
    lines = 3000
    writers = [start(tmp_path, who, lines) for who in "ab"]
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    if frozen:
        writers[0].send_signal(signal.SIGSTOP)
        assert writers[1].communicate(timeout=30)[0].count(b"\n") == lines
        writers[0].send_signal(signal.SIGCONT)
    for writer in writers[frozen:]:
        assert writer.communicate(timeout=30)[0].count(b"\n") == lines
    if frozen:
        writers[0].communicate(timeout=30)
    for name, wanted in (("spot_trader", range(lines)), ("enhanced_trading", range(1, lines, 2))):
        parts = list((tmp_path / "m").glob(f"{name}.log*"))
        rows = [json.loads(row) for path in parts for row in path.read_text().splitlines()]
        for who in "ab":
            assert sorted(row["number"] for row in rows if row["who"] == who) == list(wanted)
        assert {path.name.split(".")[2] for path in parts if path.name.count(".") > 1} >= {"2026-11-21"}
        # While one is stopped in the middle of a rotation, the other goes on in the old file.
        assert max(path.stat().st_size for path in parts) <= 100_000


def test_who_rotates_holds_up_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "_FILE_BYTES", 100)
    file = DailyFile(tmp_path / "spot_trader.log")
    with file._alone() as alone:
        assert alone
        for number in range(4):
            DailyFile(tmp_path / "spot_trader.log").append(line(DAY, f"{number}"), DAY)
    assert texts(tmp_path / "spot_trader.log") == ["0", "1", "2", "3"]


def told(tmp_path, path):
    said = []
    return FileHandler(path, lambda event, **fields: said.append((event, fields))), said


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_said_once_stdout_goes_on_and_so_does_the_file_when_there_is_room(
    small_disk, capsys, monkeypatch
):
    log = logs.configure("b", "INFO", small_disk, "m", "spot")
    filler = small_disk / "filler"
    filler.write_bytes(b"." * 60_000)
    for number in range(200):
        log.info("tick", number=number)
    out = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [row["number"] for row in out if row["event"] == "tick"] == list(range(200))
    problems = [row for row in out if row["event"] == "log_file_failed"]
    assert [row["error"] for row in problems] == [os.strerror(errno.ENOSPC)]
    filler.unlink()
    monkeypatch.setattr(log_files, "_RETRY_SECONDS", 0)
    for handler in logging.root.handlers:
        handler._retry_at = 0.0
    log.info("after")
    rows = (small_disk / "m" / "spot_trader.log").read_text().splitlines()
    assert json.loads(rows[-1])["event"] == "after"
    numbers = []
    for row in rows[:-1]:
        with contextlib.suppress(ValueError):
            numbers.append(json.loads(row)["number"])
    assert numbers == list(range(len(numbers)))
    back = json.loads(capsys.readouterr().out.splitlines()[1])
    assert (back["event"], back["lost"]) == ("log_file_back", 200 - len(numbers))


def test_a_folder_that_cannot_be_used_costs_no_line_on_stdout(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    log = logs.configure("b", "INFO", tmp_path / "file", "m", "spot")
    log.info("decision")
    log.info("decision")
    events = [json.loads(row)["event"] for row in capsys.readouterr().out.splitlines()]
    assert sorted(events) == ["decision", "decision", "log_file_failed", "log_file_failed"]


def test_a_line_that_cannot_be_written_down_does_not_stop_the_bot(tmp_path, capsys):
    log = logs.configure("b", "INFO", tmp_path, "m", "spot")
    log.info("decision", reason={("a", "b"): 1})
    log.info("tick")
    assert texts(tmp_path / "m" / "spot_trader.log") == ["tick"]
    assert json.loads(capsys.readouterr().out)["event"] == "tick"


def test_a_link_is_not_followed(tmp_path, capsys):
    target = tmp_path / "elsewhere"
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "spot_trader.log").symlink_to(target)
    logs.configure("b", "INFO", tmp_path, "m", "spot").info("tick")
    assert not target.exists()
    assert "log_file_failed" in capsys.readouterr().out


KEY = "00c0ffee" * 8


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        f"0x{KEY}",
        KEY.upper(),
        f"0X{KEY.upper()}",
        base64.b64encode(bytes.fromhex(KEY)).decode(),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(bytes.fromhex(KEY)).decode(),
        str(int(KEY, 16)),
        repr(bytes.fromhex(KEY)),
    ],
)
def test_a_secret_in_the_text_of_an_error_is_masked_however_it_is_written(tmp_path, capsys, written):
    secret = Secret(KEY)
    log = logs.configure("b", "INFO", tmp_path, "m", "spot")
    log.error("internal_error", error=f"ValueError: cannot sign with {written}!", key=secret)
    try:
        int(written + "?")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    for text in (capsys.readouterr().out, (tmp_path / "m" / "spot_trader.log").read_text()):
        first, second = (json.loads(row) for row in text.splitlines())
        assert re.fullmatch(r"ValueError: cannot sign with (0[xX]|b')?\*{3}(={0,2}|')!", first["error"])
        assert first["key"] == "***"
        assert second["event"] == "crashed"
        assert "***" in second["error"]
        assert "test_log_files.py:" in second["where"]
        assert written not in text


def test_a_password_with_signs_is_masked_in_json_and_in_a_url(capsys):
    Secret('p"ss\\wörd/9')
    log = logs.configure("b", "INFO")
    log.info("e", one='p"ss\\wörd/9', two="redis://u:p%22ss%5Cw%C3%B6rd%2F9@h")
    row = json.loads(capsys.readouterr().out)
    assert (row["one"], row["two"]) == ("***", "redis://u:***@h")


def test_what_is_too_short_for_a_secret_hides_nothing(capsys):
    Secret(f"{501:064x}")
    Secret("p")
    logs.configure("wallet-1", "INFO").info("decision", price=Decimal("501.5"), reason="up")
    row = json.loads(capsys.readouterr().out)
    assert (row["bot"], row["price"], row["reason"]) == ("wallet-1", "501.5", "up")


def test_lines_carry_utc(capsys):
    logs.configure("b", "INFO").info("e")
    at = datetime.fromisoformat(json.loads(capsys.readouterr().out)["ts"])
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(seconds=5)
