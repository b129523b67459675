"""The queue on disk: what was appended comes out in order, whatever happened to its writer or its disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bots.spool import Spool, SpoolError
from bots.spool_file import encode

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import sys, itertools
from pathlib import Path
from bots.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.open()
for n in itertools.count():
    spool.append({"n": n, "text": "x" * (n % 300)})
    print(n, flush=True)
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


def opened(folder, **kwargs):
    spool = Spool(folder, **kwargs)
    spool.open()
    return spool


def numbers(spool, batch=7):
    found = []
    while records := spool.peek(batch):
        found += [record["n"] for record in records]
        spool.done(len(records))
    return found


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_first_in_first_out_and_the_file_is_used_again(folder):
    spool = opened(folder)
    for n in range(20):
        assert spool.append({"n": n})
    assert numbers(spool) == list(range(20))
    (name,) = files(folder)
    assert (folder / name).stat().st_size == 0
    spool.append({"n": 20})
    assert numbers(spool) == [20]
    spool.close()
    assert files(folder) == []


def test_what_is_not_done_comes_again(folder):
    spool = opened(folder)
    for n in range(3):
        spool.append({"n": n})
    assert len(spool.peek(2)) == 2
    assert [record["n"] for record in spool.peek(5)] == [0, 1, 2]
    spool.done(1)
    spool.close()
    # the whole file: how far it was read is not on the disk, and readers do not mind
    assert numbers(opened(folder)) == [0, 1, 2]


def test_torn_at_every_byte(folder):
    lines = [encode({"n": n, "text": "é\n" * n}) for n in range(3)]
    whole = b"".join(lines)
    for cut in range(len(whole) + 1):
        folder.mkdir(exist_ok=True)
        (folder / "1-1.spool").write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n")
        spool = opened(folder)
        spool.append({"n": 99})
        assert numbers(spool) == [*range(complete), 99]
        assert spool.damaged == (0 if whole[:cut].endswith(b"\n") or not cut else 1)
        spool.close()
        assert files(folder) == []


@pytest.mark.parametrize("damage", [b"\0" * 300_000, b"garbage\n", b"00000000 {}\n", b"\xff\xfe", b"\n"])
def test_damage_costs_no_sound_line_after_a_newline(folder, damage):
    folder.mkdir()
    (folder / "1-1.spool").write_bytes(encode({"n": 0}) + damage.rstrip(b"\n") + b"\n" + encode({"n": 1}))
    spool = opened(folder)
    assert numbers(spool) == [0, 1]
    assert spool.damaged >= 1
    spool.close()


def test_a_living_process_keeps_its_file_and_a_dead_ones_is_read_first(folder):
    first, second = opened(folder), opened(folder)
    first.append({"n": 1})
    second.append({"n": 2})
    assert second.adopt() == 0
    assert numbers(second) == [2]
    second.append({"n": 3})
    os.close(first._own._fd)  # as the kernel does when a process ends
    assert second.adopt() == 1
    assert numbers(second) == [1, 3]
    second.close()
    assert files(folder) == []


def test_killed_at_any_moment_nothing_that_was_appended_is_lost(folder):
    for _ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        writer.stdout.readline()
        time.sleep(0.003 * (_ + 1))
        writer.send_signal(signal.SIGKILL)
        told = [0, *map(int, writer.stdout.read().splitlines(keepends=False)[:-1])]
        writer.wait()
        spool = opened(folder)
        found = numbers(spool, batch=500)
        spool.close()
        assert found == list(range(len(found)))
        assert len(found) >= len(told)


def test_a_full_disk_is_said_and_costs_nothing_while_memory_lasts(folder):
    spool = opened(folder)
    spool.append({"n": 0})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (30, hard)
    )  # a write beyond fails, or is cut short, as on a full disk
    try:
        for n in range(1, 50):
            assert spool.append({"n": n})
        assert "takes nothing" in spool.problem
        assert numbers(spool) == list(range(50))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    spool.append({"n": 50})
    assert spool.problem == ""
    assert numbers(spool) == [50]
    spool.close()


def test_the_limit_stops_trading_first_and_then_drops_and_says_so(folder):
    spool = opened(folder, limit=20_000)
    count = 0
    while not spool.problem:
        assert spool.append({"n": count})
        count += 1
    assert "at most" in spool.problem
    while spool.append({"n": count}):
        count += 1
    assert spool.dropped == 1
    assert "1 records were dropped" in spool.problem
    (name,) = files(folder)
    assert (folder / name).stat().st_size <= 20_000
    assert numbers(spool, batch=500) == list(range(count))
    spool.close()


def test_a_mark_is_reached_when_all_before_it_is_done_whatever_comes_after(folder):
    spool = opened(folder, limit=200)
    dead = opened(folder)
    dead.append({"n": -1})
    dead.close()
    spool.append({"n": 0})
    mark = spool.put
    spool.adopt()
    done = []
    for n in range(1, 40):  # the limit is passed on the way: the later ones are in memory
        spool.append({"n": n})
    while records := spool.peek(3):
        assert (spool.taken >= mark) is (0 in done)
        spool.done(len(records))
        done += [record["n"] for record in records]
        if spool.taken >= mark and done[-1] < 38:
            assert 0 in done
            spool.append({"n": 100})
    assert done[:41] == list(range(-1, 40))
    assert spool.taken == spool.put


def test_a_folder_that_cannot_be_used_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot be written to"):
        Spool(tmp_path / "file").open()
